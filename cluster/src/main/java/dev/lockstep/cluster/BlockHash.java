// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;

/// The name of a full KV block: 128 bits over its tokens and everything that precedes them,
/// computed by [BlockHasher].
///
/// Code on the step loop keeps the two longs in arrays instead.
public record BlockHash(long high, long low) {

    public static final int BYTES = 16;

    /// Returns big-endian bytes, so that they sort and print like the number.
    public byte[] toBytes() {
        return ByteBuffer.allocate(BYTES).putLong(high).putLong(low).array();
    }

    public static BlockHash fromBytes(byte[] bytes) {
        if (bytes.length != BYTES) {
            throw new IllegalArgumentException(
                    "a block hash has " + BYTES + " bytes, got " + bytes.length);
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.BIG_ENDIAN);
        return new BlockHash(buffer.getLong(), buffer.getLong());
    }

    /// Returns 32 hexadecimal digits.
    @Override
    public String toString() {
        return HexFormat.of().toHexDigits(high) + HexFormat.of().toHexDigits(low);
    }
}

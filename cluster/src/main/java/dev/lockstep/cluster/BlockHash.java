package dev.lockstep.cluster;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;

/// The name of a full KV block: 128 bits over its tokens and everything before them, made by
/// [BlockHasher].
///
/// Code on the step loop keeps the two longs in arrays instead.
public record BlockHash(long high, long low) {

    public static final int BYTES = 16;

    /// Big-endian, so that bytes sort and print like the number.
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

    /// 32 hexadecimal digits.
    @Override
    public String toString() {
        return HexFormat.of().toHexDigits(high) + HexFormat.of().toHexDigits(low);
    }
}

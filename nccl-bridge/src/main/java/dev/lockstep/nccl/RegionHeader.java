// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.Optional;

/// The header of a region's file, read before the file is mapped.
///
/// @param isOpen whether its creator has finished it, so that other ranks may map it
record RegionHeader(RegionLayout layout, long epoch, ProcessIdentity creator, boolean isOpen) {
    static final int OPEN = 1;
    static final int FORMED = 2;

    /// `LCKSPTR1`; the digit changes with [RegionLayout].
    private static final long MAGIC = 0x3152_5450_534b_434cL;

    /// Reads the header; empty when the file is of another kind or its header is not written yet.
    static Optional<RegionHeader> read(FileChannel file) throws IOException {
        ByteBuffer header = buffer();
        file.read(header, 0);
        if (header.getLong(RegionLayout.MAGIC) != MAGIC) {
            return Optional.empty();
        }
        return Optional.of(
                new RegionHeader(
                        new RegionLayout(
                                header.getInt(RegionLayout.SIZE),
                                header.getLong(RegionLayout.BYTES)),
                        header.getLong(RegionLayout.EPOCH),
                        new ProcessIdentity(
                                header.getLong(RegionLayout.CREATOR),
                                header.getLong(RegionLayout.CREATOR + 8),
                                header.getLong(RegionLayout.CREATOR + 16)),
                        header.getInt(RegionLayout.STAGE) == OPEN));
    }

    void write(FileChannel file) throws IOException {
        file.write(
                buffer().putLong(RegionLayout.MAGIC, MAGIC)
                        .putInt(RegionLayout.SIZE, layout.size())
                        .putLong(RegionLayout.BYTES, layout.bytes())
                        .putLong(RegionLayout.EPOCH, epoch)
                        .putLong(RegionLayout.CREATOR, creator.pid())
                        .putLong(RegionLayout.CREATOR + 8, creator.startTicks())
                        .putLong(RegionLayout.CREATOR + 16, creator.namespace())
                        .putInt(RegionLayout.STAGE, isOpen ? OPEN : 0),
                0);
    }

    private static ByteBuffer buffer() {
        return ByteBuffer.allocate(RegionLayout.HEADER_BYTES).order(ByteOrder.nativeOrder());
    }
}

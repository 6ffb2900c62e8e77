// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Reads segments into huge pages of this process, which are first touched by the threads that
/// later read them.
final class ReadPlacement implements PackedPlacement {
    private final PackedFile file;
    private final CpuMemory memory;
    private final PieceChecks checks;

    ReadPlacement(PackedFile file, CpuMemory memory, ThreadTeam team) {
        this.file = file;
        this.memory = memory;
        checks = new PieceChecks(team);
    }

    @Override
    public long place(PackedFile.Segment segment) throws IOException {
        long address = memory.reserve(segment.bytes());
        try {
            checks.run(
                    segment,
                    piece -> {
                        long at = (long) piece * PackedFile.PIECE_BYTES;
                        ByteBuffer into =
                                AllMemory.SEGMENT
                                        .asSlice(address + at, segment.pieceBytes(piece))
                                        .asByteBuffer();
                        PackedFile.readFully(file.channel(), into, segment.offset() + at);
                        return into.flip();
                    });
        } catch (IOException damaged) {
            memory.discard(address, segment.bytes());
            throw damaged;
        }
        return address;
    }

    @Override
    public long mappedBytes() {
        return 0;
    }

    @Override
    public void close() {}
}

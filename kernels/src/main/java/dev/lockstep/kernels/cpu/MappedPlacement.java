// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.Optional;

/// Maps the file, whose pages belong to the page cache of the host.
final class MappedPlacement implements PackedPlacement {
    private final PackedFile file;
    private final ThreadLocal<ByteBuffer> buffers =
            ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(PackedFile.PIECE_BYTES));
    private final Arena arena = Arena.ofShared();
    private final MemorySegment mapped;
    private final PieceChecks checks;
    private long bytes;

    MappedPlacement(PackedFile file, ThreadTeam team) throws IOException {
        this.file = file;
        try {
            mapped =
                    file.channel()
                            .map(FileChannel.MapMode.READ_ONLY, 0, file.channel().size(), arena);
        } catch (IOException | RuntimeException failure) {
            arena.close();
            throw failure;
        }
        checks = new PieceChecks(team);
    }

    @Override
    public long place(PackedFile.Segment segment) throws IOException {
        Optional<IOException> failure =
                checks.run(
                                List.of(segment),
                                (_, piece) -> {
                                    long at =
                                            segment.offset()
                                                    + (long) piece * PackedFile.PIECE_BYTES;
                                    int length = (int) segment.pieceBytes(piece);
                                    // The page cache has it afterwards. A checksum of the mapped
                                    // pages would end
                                    // the process where the disk cannot give them.
                                    ByteBuffer read = buffers.get().clear().limit(length);
                                    PackedFile.readFully(file.channel(), read, at);
                                    mapped.asSlice(at, length).load();
                                    return read.flip();
                                })
                        .getFirst();
        if (failure.isPresent()) {
            throw failure.get();
        }
        bytes += segment.bytes();
        return mapped.address() + segment.offset();
    }

    @Override
    public long mappedBytes() {
        return bytes;
    }

    @Override
    public void close() {
        arena.close();
    }
}

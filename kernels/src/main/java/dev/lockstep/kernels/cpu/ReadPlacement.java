// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads segments into huge pages of this process, which are first touched by the threads that
/// later read them.
///
/// Together with a segment it reads those that follow in the file, as they follow in the model: on
/// a start, whose processes share the cores, the threads of the team would wait for each other at
/// every matrix.
final class ReadPlacement implements PackedPlacement {
    private static final long BATCH_BYTES = 64L << 20;

    private final PackedFile file;
    private final CpuMemory memory;
    private final PieceChecks checks;
    private final Map<PackedFile.Segment, Read> ahead = new HashMap<>();

    /// What was handed out: nothing is read twice in whatever order the model asks.
    private final Set<PackedFile.Segment> placed = new HashSet<>();

    /// @param failure of a segment whose memory was given back
    private record Read(long address, Optional<IOException> failure) {}

    ReadPlacement(PackedFile file, CpuMemory memory, ThreadTeam team) {
        this.file = file;
        this.memory = memory;
        checks = new PieceChecks(team);
    }

    @Override
    public long place(PackedFile.Segment segment) throws IOException {
        @Nullable Read read = ahead.remove(segment);
        if (read == null) {
            read(batch(segment));
            read = Objects.requireNonNull(ahead.remove(segment));
        }
        placed.add(segment);
        if (read.failure().isPresent()) {
            throw read.failure().get();
        }
        return read.address();
    }

    private List<PackedFile.Segment> batch(PackedFile.Segment first) {
        List<PackedFile.Segment> batch = new ArrayList<>(List.of(first));
        long bytes = first.bytes();
        for (PackedFile.Segment next : file.after(first)) {
            bytes += next.bytes();
            if (bytes > BATCH_BYTES || ahead.containsKey(next) || placed.contains(next)) {
                break;
            }
            batch.add(next);
        }
        return batch;
    }

    private void read(List<PackedFile.Segment> batch) {
        long[] addresses =
                batch.stream().mapToLong(segment -> memory.reserve(segment.bytes())).toArray();
        List<Optional<IOException>> failures =
                checks.run(
                        batch,
                        (segment, piece) -> {
                            PackedFile.Segment from = batch.get(segment);
                            long at = (long) piece * PackedFile.PIECE_BYTES;
                            ByteBuffer into =
                                    AllMemory.SEGMENT
                                            .asSlice(
                                                    addresses[segment] + at, from.pieceBytes(piece))
                                            .asByteBuffer();
                            PackedFile.readFully(file.channel(), into, from.offset() + at);
                            return into.flip();
                        });
        for (int i = 0; i < addresses.length; i++) {
            if (failures.get(i).isPresent()) {
                memory.discard(addresses[i], batch.get(i).bytes());
            }
            ahead.put(batch.get(i), new Read(addresses[i], failures.get(i)));
        }
    }

    @Override
    public long mappedBytes() {
        return 0;
    }

    /// Gives back what was read ahead and that nobody asked for.
    @Override
    public void close() {
        ahead.forEach(
                (segment, read) -> {
                    if (read.failure().isEmpty()) {
                        memory.discard(read.address(), segment.bytes());
                    }
                });
        ahead.clear();
        placed.clear();
    }
}

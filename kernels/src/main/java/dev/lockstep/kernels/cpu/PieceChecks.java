// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/// The reading of the pieces of segments, shared by the threads of a team as they share the tiles,
/// and the comparison with their checksums.
final class PieceChecks {
    private final ThreadTeam team;

    PieceChecks(ThreadTeam team) {
        this.team = team;
    }

    /// Brings one piece to memory.
    interface Piece {
        /// Returns what was read.
        ///
        /// @param segment its place in the list
        ByteBuffer read(int segment, int number) throws IOException;
    }

    /// Returns for each segment why it is of no use: a piece is damaged or cannot be read.
    List<Optional<IOException>> run(List<PackedFile.Segment> segments, Piece piece) {
        var failures = new AtomicReferenceArray<@Nullable IOException>(segments.size());
        team.run(
                (thread, threads) -> {
                    for (int i = 0; i < segments.size(); i++) {
                        int[] sums = segments.get(i).sums();
                        int from = ThreadTeam.share(sums.length, thread, threads);
                        int to = ThreadTeam.share(sums.length, thread + 1, threads);
                        try {
                            check(sums, i, from, to, piece);
                        } catch (IOException failed) {
                            failures.compareAndSet(i, null, failed);
                        }
                    }
                },
                segments.stream().mapToLong(PackedFile.Segment::bytes).sum());
        List<Optional<IOException>> found = new ArrayList<>();
        for (int i = 0; i < segments.size(); i++) {
            found.add(Optional.ofNullable(failures.get(i)));
        }
        return found;
    }

    private static void check(int[] sums, int segment, int from, int to, Piece piece)
            throws IOException {
        try {
            for (int i = from; i < to; i++) {
                if (PackedFile.sum(piece.read(segment, i)) != sums[i]) {
                    throw new PackedFileException("its weights are damaged");
                }
            }
        } catch (InternalError unreadable) {
            // What a mapped page throws that the disk cannot give.
            var refusal = new PackedFileException(PackedFolder.UNREADABLE);
            refusal.initCause(unreadable);
            throw refusal;
        }
    }
}

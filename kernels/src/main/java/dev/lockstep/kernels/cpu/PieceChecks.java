// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// The reading of a segment's pieces, shared by the threads of a team as they share its tiles, and
/// the comparison with their checksums.
final class PieceChecks {
    private final ThreadTeam team;

    PieceChecks(ThreadTeam team) {
        this.team = team;
    }

    /// Brings one piece to memory.
    interface Piece {
        ByteBuffer read(int number) throws IOException;
    }

    /// @throws PackedFileException if a piece is damaged or cannot be read
    void run(PackedFile.Segment segment, Piece piece) throws IOException {
        var failure = new AtomicReference<@Nullable IOException>();
        int[] sums = segment.sums();
        team.run(
                (thread, threads) -> {
                    int to = ThreadTeam.share(sums.length, thread + 1, threads);
                    for (int i = ThreadTeam.share(sums.length, thread, threads); i < to; i++) {
                        try {
                            if (PackedFile.sum(piece.read(i)) != sums[i]) {
                                throw new PackedFileException("its weights are damaged");
                            }
                        } catch (IOException failed) {
                            failure.compareAndSet(null, failed);
                            return;
                        } catch (InternalError unreadable) {
                            // What a mapped page throws that the disk cannot give.
                            var refusal = new PackedFileException(PackedFolder.UNREADABLE);
                            refusal.initCause(unreadable);
                            failure.compareAndSet(null, refusal);
                            return;
                        }
                    }
                },
                segment.bytes());
        @Nullable IOException first = failure.get();
        if (first != null) {
            throw first;
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Pieces that are whole, damaged, or cannot be read, on one thread and on several.
final class PieceChecksTest {
    private static final int PIECES = 5;

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void everySegmentIsRefusedOrWhole(int threads) {
        ByteBuffer whole = ByteBuffer.allocate(PackedFile.PIECE_BYTES).put(0, (byte) 7);
        int[] sums = new int[PIECES];
        Arrays.fill(sums, PackedFile.sum(whole));
        var segment =
                new PackedFile.Segment(
                        PackedFile.PREAMBLE_BYTES, (long) PIECES * PackedFile.PIECE_BYTES, sums);
        try (var team = new ThreadTeam(CpuOptions.ofThreads(threads).withoutSpinning())) {
            var checks = new PieceChecks(team);
            List<PackedFile.Segment> two = List.of(segment, segment);
            assertEquals(
                    List.of(Optional.empty(), Optional.empty()),
                    checks.run(two, (_, _) -> whole.duplicate()));
            for (int piece = 0; piece < PIECES; piece++) {
                int bad = piece;
                List<Optional<IOException>> damaged =
                        checks.run(
                                two,
                                (in, i) ->
                                        in == 1 && i == bad
                                                ? ByteBuffer.allocate(8)
                                                : whole.duplicate());
                assertEquals("its weights are damaged", onlySecond(damaged));
                List<Optional<IOException>> unreadable =
                        checks.run(two, (in, i) -> unreadable(in == 1 && i == bad, whole));
                assertEquals("it cannot be read", onlySecond(unreadable));
            }
        }
    }

    /// Returns why the second segment is of no use, which the first one is.
    private static String onlySecond(List<Optional<IOException>> failures) {
        assertEquals(Optional.empty(), failures.getFirst());
        return assertInstanceOf(PackedFileException.class, failures.getLast().orElseThrow())
                .reason();
    }

    /// As an access to a mapped page fails.
    private static ByteBuffer unreadable(boolean bad, ByteBuffer whole) {
        if (bad) {
            throw new InternalError("a fault occurred in an unsafe memory access operation");
        }
        return whole.duplicate();
    }
}

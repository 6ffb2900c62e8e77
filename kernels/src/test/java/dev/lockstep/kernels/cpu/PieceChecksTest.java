// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Pieces that are whole, damaged, or cannot be read, on one thread and on several.
final class PieceChecksTest {
    private static final int PIECES = 5;

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void everyPieceIsRefusedOrWhole(int threads) throws IOException {
        ByteBuffer whole = ByteBuffer.allocate(PackedFile.PIECE_BYTES).put(0, (byte) 7);
        int[] sums = new int[PIECES];
        Arrays.fill(sums, PackedFile.sum(whole));
        var segment =
                new PackedFile.Segment(
                        PackedFile.PREAMBLE_BYTES, (long) PIECES * PackedFile.PIECE_BYTES, sums);
        try (var team = new ThreadTeam(CpuOptions.ofThreads(threads).withoutSpinning())) {
            var checks = new PieceChecks(team);
            checks.run(segment, _ -> whole.duplicate());
            for (int piece = 0; piece < PIECES; piece++) {
                int bad = piece;
                PackedFileException damaged =
                        assertThrows(
                                PackedFileException.class,
                                () ->
                                        checks.run(
                                                segment,
                                                i ->
                                                        i == bad
                                                                ? ByteBuffer.allocate(8)
                                                                : whole.duplicate()));
                assertEquals("its weights are damaged", damaged.reason());
                PackedFileException unreadable =
                        assertThrows(
                                PackedFileException.class,
                                () -> checks.run(segment, i -> unreadable(i == bad, whole)));
                assertEquals("it cannot be read", unreadable.reason());
            }
        }
    }

    /// As an access to a mapped page fails.
    private static ByteBuffer unreadable(boolean bad, ByteBuffer whole) {
        if (bad) {
            throw new InternalError("a fault occurred in an unsafe memory access operation");
        }
        return whole.duplicate();
    }
}

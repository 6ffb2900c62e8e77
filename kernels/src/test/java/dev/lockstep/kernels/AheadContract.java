// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.AttentionRun.Chunk;
import org.junit.jupiter.api.Test;

/// The contract of attention to later tokens too: to all of a sequence, or to a window on both
/// sides.
public interface AheadContract extends AttentionContract {

    /// Tokens before and after a token, the window with the token itself.
    record Sides(int window, int ahead) {

        static final Sides ALL = new Sides(AttentionShape.NO_WINDOW, AttentionShape.NO_WINDOW);
    }

    private static AttentionShape shape(Sides sides, float softCap) {
        return new AttentionShape(
                new int[] {0, 0, 1, 1, 1},
                2,
                64,
                0.14f,
                sides.window(),
                sides.ahead(),
                softCap,
                false);
    }

    @Test
    default void laterTokensAreAttendedTo() {
        for (DType type : kvTypes(64)) {
            for (int length : new int[] {1, 16, 61}) {
                try (TestDevice device = device()) {
                    var run = new AttentionRun(device, shape(Sides.ALL, 0), type, 1, length);
                    run.step(new Chunk(0, 0, length), new Chunk(1, 0, 3));
                    for (int position = 0; position < length; position++) {
                        run.requireReference(this, 0, position);
                    }
                    run.requireReference(this, 1, 0);
                }
            }
        }
    }

    @Test
    default void aWindowOnBothSidesHasExactlyItsTokens() {
        for (int side : new int[] {0, 1, 14, 15, 16, 17, 39}) {
            for (int ahead : new int[] {side, 2}) {
                try (TestDevice device = device()) {
                    var sides = new Sides(side + 1, ahead);
                    var run = new AttentionRun(device, shape(sides, 0.7f), DType.F32, 1, side);
                    run.step(new Chunk(1, 0, 2), new Chunk(0, 0, 75));
                    for (int position = 0; position < 75; position++) {
                        run.requireReference(this, 0, position);
                    }
                    run.requireReference(this, 1, 0);
                    run.requireReference(this, 1, 1);
                }
            }
        }
    }

    /// Blocks after the end of a sequence hold what another one left there: NaN.
    @Test
    default void nothingAfterTheEndIsRead() {
        for (Sides sides : new Sides[] {Sides.ALL, new Sides(9, 8)}) {
            int[] expected = alone(sides, 50);
            try (TestDevice device = device()) {
                var run = new AttentionRun(device, shape(sides, 0), DType.F32, 1, 5);
                run.step(new Chunk(AttentionRun.POISON, 0, 64));
                run.release(AttentionRun.POISON);
                run.step(new Chunk(0, 0, 50));
                run.requireSame(this, expected, 50, "after NaN");
            }
        }
    }

    /// Over several segments, which threads share.
    @Test
    default void aTokenIsTheSameBesideOthersAndOnAnyNumberOfThreads() {
        int length = longSequence();
        for (Sides sides : new Sides[] {Sides.ALL, new Sides(65, 64), new Sides(700, 600)}) {
            int[] expected = alone(sides, length);
            for (int threads = 2; threads <= 3; threads++) {
                try (var device = new TestDevice(open(threads))) {
                    var run = new AttentionRun(device, shape(sides, 0), DType.F32, 1, threads);
                    run.step(
                            new Chunk(1, 0, 7 * threads),
                            new Chunk(0, 0, length),
                            new Chunk(2, 0, 30));
                    run.requireSame(this, expected, length, "%s, %d".formatted(sides, threads));
                    for (int position : new int[] {0, 511, 512, length - 1}) {
                        run.requireReference(this, 0, position);
                    }
                }
            }
        }
    }

    @Test
    default void aSequenceOfWhichAPartIsComputedIsRefused() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, shape(Sides.ALL, 0), DType.F32, 1, 1);
            run.step(new Chunk(0, 0, 4));
            IllegalArgumentException refusal =
                    device.requireRefused(() -> run.step(new Chunk(1, 0, 2), new Chunk(0, 4, 2)));
            assertEquals(refusalOfComputed(), refusal.getMessage());
        }
    }

    /// Returns the message that refuses row 1 for its 4 computed tokens.
    String refusalOfComputed();

    private int[] alone(Sides sides, int length) {
        try (var device = new TestDevice(open(1))) {
            var run = new AttentionRun(device, shape(sides, 0), DType.F32, 1, 0);
            run.step(new Chunk(0, 0, length));
            return run.outputs(0, length);
        }
    }
}

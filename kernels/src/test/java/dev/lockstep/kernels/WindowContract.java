// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.kernels.AttentionRun.Chunk;
import org.junit.jupiter.api.Test;

/// The contract of attention over a sliding window, and with capped scores.
public interface WindowContract extends KernelsContract {

    @Test
    default void aWindowHasExactlyItsTokens() {
        for (int window : new int[] {1, 2, 15, 16, 17, 40}) {
            try (TestDevice device = device()) {
                var run = new AttentionRun(device, shape(window, 0), DType.F32, 1, window);
                run.step(new Chunk(0, 0, 60), new Chunk(1, 0, 3));
                run.step(new Chunk(1, 3, 1), new Chunk(0, 60, 1));
                for (int position : new int[] {0, 1, 14, 15, 16, 17, 31, 32, 39, 40, 59, 60}) {
                    run.requireReference(this, 0, position);
                }
                run.requireReference(this, 1, 3);
            }
        }
    }

    @Test
    default void cappedScoresAreWithinRoundingOfTheReference() {
        try (TestDevice device = device()) {
            var run =
                    new AttentionRun(
                            device, shape(AttentionShape.NO_WINDOW, 0.7f), DType.F32, 1, 3);
            run.step(new Chunk(0, 0, 40));
            for (int position : new int[] {0, 15, 39}) {
                run.requireReference(this, 0, position);
            }
        }
    }

    @Test
    default void aTokenInAWindowIsTheSameInChunksOfAnySizeAndThreadCount() {
        for (int window : new int[] {7, 16, 33}) {
            int[] expected = whole(window, 100);
            for (int size : new int[] {1, 7, 16, 33}) {
                try (var device = new TestDevice(open(1 + size % 3))) {
                    var run = new AttentionRun(device, shape(window, 2), DType.F32, 2, size);
                    for (int at = 0; at < 100; at += size) {
                        run.step(
                                new Chunk(0, at, Math.min(size, 100 - at)),
                                new Chunk(1 + at, 0, 1 + at % 10));
                    }
                    run.requireSame(this, expected, 100, "window %d by %d".formatted(window, size));
                }
            }
        }
    }

    @Test
    default void blocksBeforeTheWindowAreNeverRead() {
        for (int window : new int[] {5, 16, 20}) {
            int[] expected = whole(window, 100);
            try (TestDevice device = device()) {
                var run = new AttentionRun(device, shape(window, 2), DType.F32, 2, window);
                for (int at = 0; at < 100; at += 10) {
                    run.dropBeforeWindow(0, at);
                    // The sequence that gets the blocks fills them with NaN.
                    run.step(new Chunk(0, at, 10), new Chunk(AttentionRun.POISON, 8 * at / 5, 16));
                }
                run.requireSame(this, expected, 100, "window " + window);
            }
        }
    }

    @Test
    default void aNullBlockInTheWindowIsRefused() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, shape(17, 0), DType.F32, 1, 1);
            run.step(new Chunk(0, 0, 40));
            run.table(0).set(1, 0);
            device.requireRefused(() -> run.step(new Chunk(0, 40, 1)));
        }
    }

    /// Sinks below, among and far above the scores.
    @Test
    default void aSinkTakesItsPartOfTheSoftmax() {
        int length = longSequence();
        for (int window : new int[] {17, AttentionShape.NO_WINDOW}) {
            int[] expected = {};
            for (int chunk : new int[] {length, 37}) {
                try (TestDevice device = device()) {
                    var run =
                            new AttentionRun(device, shape(window, 0), DType.F32, 1, chunk)
                                    .withSinks(-3, 0.5f, 4, 100, -100);
                    for (int at = 0; at < length - 1; at += chunk) {
                        run.step(new Chunk(0, at, Math.min(chunk, length - 1 - at)));
                    }
                    run.step(new Chunk(0, length - 1, 1));
                    for (int position : new int[] {0, 1, 16, 40, length - 1}) {
                        run.requireReference(this, 0, position);
                    }
                    if (chunk == length) {
                        expected = run.outputs(0, length);
                    } else {
                        run.requireSame(this, expected, length, "window " + window);
                    }
                }
            }
        }
    }

    @Test
    default void aLongWindowIsTheSameHoweverItIsCut() {
        int length = longSequence();
        int[] expected = {};
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                var shape = new AttentionShape(new int[] {0, 0}, 1, 32, 0.2f, length / 2, 0);
                var run = new AttentionRun(device, shape, DType.F32, 1, threads);
                int chunk = 100 + 156 * threads;
                for (int at = 0; at < length - 1; at += chunk) {
                    run.step(new Chunk(0, at, Math.min(chunk, length - 1 - at)));
                }
                run.dropBeforeWindow(0, length - 1);
                run.step(new Chunk(0, length - 1, 1));
                if (threads == 1) {
                    expected = run.outputs(0, length);
                    run.requireReference(this, 0, length - 1);
                } else {
                    run.requireSame(this, expected, length, threads + " threads");
                }
            }
        }
    }

    private int[] whole(int window, int length) {
        try (var device = new TestDevice(open(1))) {
            var run = new AttentionRun(device, shape(window, 2), DType.F32, 2, 0);
            run.step(new Chunk(0, 0, length));
            return run.outputs(0, length);
        }
    }

    private static AttentionShape shape(int window, float softCap) {
        return new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, 48, 0.14f, window, softCap);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.AttentionRun.Chunk;
import org.junit.jupiter.api.Test;

/// The contract of attention from the start of a token's chunk of its sequence.
public interface ChunkContract extends KernelsContract {

    @Test
    default void aTokenAttendsToItsChunkOnly() {
        for (int size : new int[] {16, 32, 64}) {
            try (TestDevice device = device()) {
                var run = new AttentionRun(device, shape(size), DType.F32, 1, size);
                run.step(new Chunk(0, 0, 70), new Chunk(1, 0, 3));
                run.step(new Chunk(1, 3, 30), new Chunk(0, 70, 1));
                for (int position : new int[] {0, 15, 16, 17, 31, 32, 63, 64, 69, 70}) {
                    run.requireReference(this, 0, position);
                }
                for (int position : new int[] {3, 15, 16, 32}) {
                    run.requireReference(this, 1, position);
                }
            }
        }
    }

    @Test
    default void aTokenInAChunkIsTheSameInStepsOfAnySizeAndThreadCount() {
        for (int chunk : new int[] {16, 48}) {
            int[] expected;
            try (var device = new TestDevice(open(1))) {
                var run = new AttentionRun(device, shape(chunk), DType.F32, 2, 0);
                run.step(new Chunk(0, 0, 100));
                expected = run.outputs(0, 100);
            }
            for (int size : new int[] {1, 7, 16, 33}) {
                try (var device = new TestDevice(open(1 + size % 3))) {
                    var run = new AttentionRun(device, shape(chunk), DType.F32, 2, size);
                    for (int at = 0; at < 100; at += size) {
                        run.step(
                                new Chunk(0, at, Math.min(size, 100 - at)),
                                new Chunk(1 + at, 0, 1 + at % 10));
                    }
                    run.requireSame(this, expected, 100, "chunk %d by %d".formatted(chunk, size));
                }
            }
        }
    }

    @Test
    default void aChunkThatBeginsWithinABlockIsRefused() {
        try (TestDevice device = device()) {
            var layout = new KvLayout(1, 2, 48, DType.F32, AttentionRun.BLOCK);
            IllegalArgumentException refusal =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> device.kernels().attention(shape(24), layout));
            assertEquals("chunks of 24 tokens over blocks of 16", refusal.getMessage());
        }
    }

    private static AttentionShape shape(int chunk) {
        return new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, 48, 0.14f, chunk, 0, 2, true);
    }
}

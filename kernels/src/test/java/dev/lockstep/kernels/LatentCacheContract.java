// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.AttentionRun.Chunk;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The contract of attention over a cache whose values are its keys.
public interface LatentCacheContract extends AttentionContract {

    @Test
    default void valuesThatAreKeysAreWithinRoundingOfTheReference() {
        for (int headSize : new int[] {32, 96, 20, 576}) {
            for (DType type : kvTypes(headSize)) {
                try (TestDevice device = device()) {
                    var run = keysAlone(device, shape(10, headSize), type, 1, 1);
                    run.step(new Chunk(0, 0, 40), new Chunk(1, 0, 3));
                    run.step(new Chunk(1, 3, 1), new Chunk(0, 40, 1));
                    for (int position : new int[] {0, 15, 16, 39, 40}) {
                        run.requireReference(this, 0, position);
                    }
                    run.requireReference(this, 1, 3);
                }
            }
        }
    }

    /// Sequences are so long that blocks are computed together, and on several threads by segment.
    @Test
    default void valuesThatAreKeysGiveTheSameBitsAsIfTheyWereStored() {
        for (int headSize : new int[] {64, 20}) {
            for (DType type : kvTypes(headSize)) {
                for (int queries : new int[] {1, 5}) {
                    int[] expected = stored(shape(queries, headSize), type);
                    for (int threads = 1; threads <= 3; threads++) {
                        try (var device = new TestDevice(open(threads))) {
                            var run =
                                    keysAlone(device, shape(queries, headSize), type, 2, threads)
                                            .withoutRotation();
                            inSteps(run, 70 * threads);
                            assertArrayEquals(
                                    expected, run.outputs(0, LENGTH), type + " " + headSize);
                        }
                    }
                }
            }
        }
    }

    @Test
    default void aWindowOverValuesThatAreKeysHasTheSameBits() {
        for (DType type : kvTypes(64)) {
            var shape = new AttentionShape(new int[] {0, 0, 1}, 2, 64, 0.2f, 37, 1.5f);
            int[] expected = stored(shape, type);
            try (TestDevice device = device()) {
                var run = keysAlone(device, shape, type, 2, 3).withoutRotation();
                inSteps(run, 50);
                assertArrayEquals(expected, run.outputs(0, LENGTH), type.toString());
            }
        }
    }

    @Test
    default void aCopiedPrefixOfKeysAloneContinues() {
        for (DType type : kvTypes(64)) {
            var shape = new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, 64, 0.14f);
            for (int shared : new int[] {16, 17, 31, 32}) {
                try (TestDevice device = device()) {
                    var run = keysAlone(device, shape, type, 2, shared);
                    run.step(new Chunk(0, 0, 40));
                    int[] expected = run.outputs(0, 40);
                    List<Integer> copies = List.of(run.takeBlock(), run.takeBlock());
                    List<Integer> old = List.copyOf(run.table(0));
                    device.kernels()
                            .copyBlocks(
                                    run.kv(),
                                    List.of(
                                            new BlockCopy(old.get(0), copies.get(0), 16),
                                            new BlockCopy(old.get(1), copies.get(1), shared - 16)));
                    run.table(0).clear();
                    run.table(0).addAll(copies);
                    run.table(AttentionRun.POISON).addAll(old);
                    run.step(new Chunk(AttentionRun.POISON, 0, 40));
                    run.step(new Chunk(0, shared, 40 - shared));
                    run.requireSame(this, expected, 40, type + " after " + shared);
                }
            }
        }
    }

    @Test
    default void previousContentOfKeysAloneDoesNotMatter() {
        for (DType type : kvTypes(64)) {
            try (TestDevice device = device()) {
                var run = keysAlone(device, shape(3, 64), type, 2, 7);
                run.step(new Chunk(0, 0, 23));
                int[] expected = run.outputs(0, 23);
                run.step(new Chunk(AttentionRun.POISON, 0, 64));
                run.release(0);
                run.release(AttentionRun.POISON);
                for (int at = 0; at < 23; at++) {
                    run.step(new Chunk(0, at, 1));
                }
                run.requireSame(this, expected, 23, type + " after another sequence");
            }
        }
    }

    @Test
    default void scalesOfValuesThatAreKeysAreRefused() {
        if (!storesCodes()) {
            return;
        }
        try (TestDevice device = device()) {
            float[] one = {1};
            var run = keysAlone(device, shape(2, 32), DType.FP8, 1, 1).withKvScales(one, one);
            IllegalArgumentException refusal =
                    assertThrows(
                            IllegalArgumentException.class, () -> run.step(new Chunk(0, 0, 1)));
            assertEquals(
                    "scales of keys and values, whose values are the keys", refusal.getMessage());
        }
    }

    /// Tokens of the sequence whose bits are compared.
    int LENGTH = 530;

    private int[] stored(AttentionShape shape, DType type) {
        try (var device = new TestDevice(open(2))) {
            var run = new AttentionRun(device, shape, type, 2, 0).withValuesLikeKeys();
            inSteps(run, LENGTH);
            return run.outputs(0, LENGTH);
        }
    }

    /// Computes all tokens of sequence 0 but the last in chunks beside another one, and the last
    /// one alone.
    private static void inSteps(AttentionRun run, int chunk) {
        for (int at = 0; at < LENGTH - 1; at += chunk) {
            run.step(
                    new Chunk(0, at, Math.min(chunk, LENGTH - 1 - at)),
                    new Chunk(1, at / chunk, 1));
        }
        run.step(new Chunk(0, LENGTH - 1, 1));
    }

    private static AttentionShape shape(int queries, int headSize) {
        return new AttentionShape(new int[queries], 1, headSize, (float) (1 / Math.sqrt(headSize)));
    }

    private static AttentionRun keysAlone(
            TestDevice device, AttentionShape shape, DType type, int layers, long blockOrder) {
        var layout =
                new KvLayout(
                        layers, shape.kvHeads(), shape.headSize(), type, AttentionRun.BLOCK, true);
        return new AttentionRun(device, shape, layout, blockOrder);
    }
}

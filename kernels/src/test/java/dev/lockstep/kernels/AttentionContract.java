// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.AttentionRun.Chunk;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// The contract of attention over paged keys and values.
public interface AttentionContract extends KernelsContract {

    /// Returns whether keys and values may be stored as q8, which is [DType#I8], and as FP8.
    default boolean storesCodes() {
        return false;
    }

    @Test
    default void attentionIsWithinRoundingOfTheReference() {
        for (int headSize : new int[] {32, 48, 64, 96, 128, 20, 512}) {
            for (DType type : kvTypes(headSize)) {
                try (TestDevice device = device()) {
                    var run = new AttentionRun(device, even(6, 2, headSize), type, 1, 1);
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

    @Test
    default void aLayerOfQueriesReadsWhatAnotherStored() {
        for (int headSize : new int[] {64, 20}) {
            for (DType type : kvTypes(headSize)) {
                try (TestDevice device = device()) {
                    Chunk[][] steps = {
                        {new Chunk(0, 0, 33), new Chunk(AttentionRun.PADDING, 0, 2)},
                        {new Chunk(1, 0, 3), new Chunk(0, 33, 5)}
                    };
                    AttentionShape shape = even(6, 2, headSize);
                    var own = new AttentionRun(device, shape, type, 1, 1);
                    AttentionRun later = new AttentionRun(device, shape, type, 1, 2).readingLater();
                    for (Chunk[] step : steps) {
                        own.step(step);
                        later.step(step);
                    }
                    assertArrayEquals(own.outputs(0, 38), later.outputs(0, 38));
                    assertArrayEquals(own.outputs(1, 3), later.outputs(1, 3));
                }
            }
        }
    }

    @Test
    default void unevenHeadsOfARankAreSupported() {
        int[][] ranks = {{0, 0}, {0}, {0, 0, 0}, {0, 0, 0, 1}, {0, 1, 1, 2, 2, 2}, {1}};
        for (int[] kvHeadOf : ranks) {
            try (TestDevice device = device()) {
                var shape = new AttentionShape(kvHeadOf, 3, 32, 0.2f);
                var run = new AttentionRun(device, shape, DType.F32, 2, 2);
                run.step(new Chunk(0, 0, 37));
                run.requireReference(this, 0, 36);
            }
        }
    }

    @Test
    default void fp8HasAScaleForEachHead() {
        if (!storesCodes()) {
            return;
        }
        // The first head fills the range of E4M3, the second exceeds it, and its values are so
        // small that most are subnormal.
        float[] keys = {0.01f, 0.004f};
        float[] values = {0.7f, 300};
        var shape = new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, 48, 0.14f, 30, 1.5f);
        int[] expected = {};
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                var run =
                        new AttentionRun(device, shape, DType.FP8, 2, threads)
                                .withSinks(-1, 0.5f, 3, 20, 0)
                                .withKvScales(keys, values);
                run.step(new Chunk(0, 0, 60 - threads), new Chunk(1, 0, threads));
                run.step(new Chunk(0, 60 - threads, threads));
                for (int position = 0; position < 60; position += 7) {
                    run.requireReference(this, 0, position);
                }
                expected = threads == 1 ? run.outputs(0, 60) : expected;
                run.requireSame(this, expected, 60, threads + " threads");
            }
        }
    }

    @Test
    default void scalesThatDoNotFitAreRefused() {
        if (!storesCodes()) {
            return;
        }
        try (TestDevice device = device()) {
            var shape = even(4, 2, 32);
            float[] two = {1, 2};
            var f16 = new AttentionRun(device, shape, DType.F16, 1, 1).withKvScales(two, two);
            assertEquals(
                    "scales of keys and values of type F16, must be FP8",
                    refused(() -> f16.step(new Chunk(0, 0, 1))));
            var fp8 = new AttentionRun(device, shape, DType.FP8, 1, 1);
            fp8.withKvScales(two, new float[] {1});
            assertEquals(
                    "scales of values is F32 [1, 1], needs F32 [1, 2]",
                    refused(() -> fp8.step(new Chunk(0, 0, 1))));
        }
    }

    private static String refused(Executable step) {
        return String.valueOf(assertThrows(IllegalArgumentException.class, step).getMessage());
    }

    @Test
    default void manyQueryHeadsMayShareOneKvHead() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, even(40, 1, 32), DType.F32, 1, 3);
            run.step(new Chunk(0, 0, 20));
            run.requireReference(this, 0, 19);
        }
    }

    @Test
    default void aRankMayHaveNoHeads() {
        try (TestDevice device = device()) {
            var none = new AttentionShape(new int[0], 0, 64, 1);
            var run = new AttentionRun(device, none, DType.F16, 2, 4);
            run.step(new Chunk(0, 0, 17));
            run.step(new Chunk(0, 17, 1), new Chunk(1, 0, 5));
            assertEquals(0, run.output(0, 17, 1).length);
            device.kernels().copyBlocks(run.kv(), List.of(new BlockCopy(1, 2, 16)));
            var onlyKeys = new AttentionShape(new int[0], 1, 64, 1);
            new AttentionRun(device, onlyKeys, DType.F16, 2, 4).step(new Chunk(0, 0, 17));
        }
    }

    @Test
    default void aTokenIsTheSameInChunksOfAnySize() {
        for (DType type : kvTypes(64)) {
            int[] expected = whole(type, 100);
            for (int size : new int[] {1, 7, 16, 33}) {
                try (TestDevice device = device()) {
                    var run = new AttentionRun(device, uneven(type), type, 2, size);
                    for (int at = 0; at < 100; at += size) {
                        run.step(new Chunk(0, at, Math.min(size, 100 - at)));
                    }
                    run.requireSame(this, expected, 100, type + " by " + size);
                }
            }
        }
    }

    @Test
    default void aTokenIsTheSameWithAnyNeighboursAndThreadCount() {
        for (DType type : kvTypes(64)) {
            int[] expected = whole(type, 60);
            for (int threads = 1; threads <= 4; threads++) {
                try (var device = new TestDevice(open(threads))) {
                    var run = new AttentionRun(device, uneven(type), type, 2, 100 + threads);
                    run.step(new Chunk(3, 0, 50), new Chunk(0, 0, 21), new Chunk(4, 0, 1));
                    run.step(new Chunk(0, 21, 1), new Chunk(3, 50, 1), new Chunk(4, 1, 33));
                    run.step(new Chunk(5, 0, 90), new Chunk(3, 51, 1), new Chunk(0, 22, 38));
                    run.requireSame(this, expected, 60, type + ", " + threads + " threads");
                }
            }
        }
    }

    @Test
    default void aLongSequenceIsTheSameHoweverItIsCut() {
        requireSameHoweverCut(DType.F32);
        if (storesCodes()) {
            requireSameHoweverCut(DType.I8);
            requireSameHoweverCut(DType.FP8);
        }
    }

    private void requireSameHoweverCut(DType type) {
        int length = longSequence();
        int[] expected = {};
        for (int threads = 1; threads <= 3; threads++) {
            try (var device = new TestDevice(open(threads))) {
                var run = new AttentionRun(device, even(2, 1, 32), type, 1, threads);
                int chunk = 100 + 156 * threads;
                for (int at = 0; at < length - 3; at += chunk) {
                    run.step(
                            new Chunk(0, at, Math.min(chunk, length - 3 - at)),
                            new Chunk(threads, at / chunk, 1));
                }
                // A row that is alone in its step is cut into segments where there are several
                // threads.
                run.step(new Chunk(0, length - 3, 1));
                run.step(new Chunk(0, length - 2, 2));
                if (threads == 1) {
                    expected = run.outputs(0, length);
                    for (int position = 255; position < length; position += 256) {
                        run.requireReference(this, 0, position);
                        run.requireReference(this, 0, position + 1);
                    }
                    run.requireReference(this, 0, length - 1);
                } else {
                    run.requireSame(this, expected, length, type + ", " + threads + " threads");
                }
            }
        }
    }

    @Test
    default void previousContentOfABlockDoesNotMatter() {
        for (DType type : kvTypes(64)) {
            int[] expected = whole(type, 23);
            try (TestDevice device = device()) {
                var run = new AttentionRun(device, uneven(type), type, 2, 7);
                run.step(new Chunk(AttentionRun.POISON, 0, 64));
                run.release(AttentionRun.POISON);
                run.step(new Chunk(0, 0, 5));
                for (int at = 5; at < 23; at++) {
                    run.step(new Chunk(0, at, 1));
                }
                run.requireSame(this, expected, 23, type + " after another sequence");
            }
        }
    }

    @Test
    default void aCopiedPrefixContinuesAsIfItHadBeenComputed() {
        for (DType type : kvTypes(64)) {
            int[] expected = whole(type, 40);
            for (int shared : new int[] {16, 17, 25, 31, 32}) {
                try (TestDevice device = device()) {
                    var run = new AttentionRun(device, uneven(type), type, 2, shared);
                    run.step(new Chunk(0, 0, 40));
                    // Sequence 0 continues with copies of its first two blocks; the originals
                    // become NaN.
                    List<Integer> copies = List.of(run.takeBlock(), run.takeBlock());
                    device.kernels()
                            .copyBlocks(
                                    run.kv(),
                                    List.of(
                                            new BlockCopy(
                                                    run.table(0).getFirst(), copies.get(0), 16),
                                            new BlockCopy(
                                                    run.table(0).get(1),
                                                    copies.get(1),
                                                    shared - 16)));
                    List<Integer> old = List.copyOf(run.table(0));
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
    default void theNullBlockAndNonexistentBlocksAreRefused() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, uneven(DType.F16), DType.F16, 1, 8);
            run.table(0).add(0);
            device.requireRefused(() -> run.step(new Chunk(0, 0, 3)));
            run.table(1).add(run.kv().blocks());
            device.requireRefused(() -> run.step(new Chunk(1, 0, 3)));
            device.requireRefused(() -> run.step(new Chunk(2, AttentionRun.POSITIONS, 1)));
            for (BlockCopy wrong :
                    List.of(
                            new BlockCopy(0, 1, 16),
                            new BlockCopy(1, 0, 16),
                            new BlockCopy(1, 2, 17),
                            new BlockCopy(1, run.kv().blocks(), 1))) {
                device.requireRefused(() -> device.kernels().copyBlocks(run.kv(), List.of(wrong)));
            }
        }
    }

    @Test
    default void aRowMayBeEmpty() {
        try (TestDevice device = device()) {
            var run = new AttentionRun(device, uneven(DType.F32), DType.F32, 1, 9);
            run.step(new Chunk(0, 0, 4), new Chunk(1, 0, 0), new Chunk(2, 0, 2));
            run.requireReference(this, 2, 1);
            run.step();
        }
    }

    /// Returns the outputs of sequence 0, computed in a single step on one thread.
    private int[] whole(DType type, int length) {
        try (var device = new TestDevice(open(1))) {
            var run = new AttentionRun(device, uneven(type), type, 2, 0);
            run.step(new Chunk(0, 0, length));
            return run.outputs(0, length);
        }
    }

    private static AttentionShape even(int queryHeads, int kvHeads, int headSize) {
        int[] kvHeadOf = new int[queryHeads];
        for (int head = 0; head < queryHeads; head++) {
            kvHeadOf[head] = head * kvHeads / queryHeads;
        }
        return new AttentionShape(kvHeadOf, kvHeads, headSize, (float) (1 / Math.sqrt(headSize)));
    }

    private static AttentionShape uneven(DType type) {
        int headSize = type == DType.I8 ? 64 : 48;
        return new AttentionShape(new int[] {0, 0, 1, 1, 1}, 2, headSize, 0.14f);
    }

    /// Returns the types in which heads of this size are stored.
    default List<DType> kvTypes(int headSize) {
        List<DType> types = new ArrayList<>(List.of(DType.F32, DType.F16, DType.BF16));
        if (storesCodes()) {
            types.add(DType.FP8);
        }
        if (storesCodes() && headSize % KvLayout.GROUP == 0) {
            types.add(DType.I8);
        }
        return types;
    }
}

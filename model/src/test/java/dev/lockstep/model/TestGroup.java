// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.BlockCopy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/// The ranks of a model as threads of one JVM; every rank runs the same batches, rank 0's logits
/// are returned.
final class TestGroup implements AutoCloseable {
    static final int BLOCK_SIZE = 16;

    private final ExecutorService threads;
    private final List<TestRank> ranks;
    private int span;

    /// One row: `ids` of a sequence at positions from `computed` on; `blocks` is the sequence's
    /// whole table. In a KV group with a window, blocks before the window become the null block.
    /// Tokens from the index `secondText` on have token type 1. The prompt of the sequence has
    /// `promptLength` tokens.
    record Row(int[] ids, int computed, int[] blocks, int secondText, int promptLength) {
        Row(int[] ids, int computed, int[] blocks) {
            this(ids, computed, blocks, ids.length);
        }

        Row(int[] ids, int computed, int[] blocks, int secondText) {
            this(ids, computed, blocks, secondText, computed + ids.length);
        }

        /// Returns this row of a sequence with a prompt of another length.
        Row ofPrompt(int length) {
            return new Row(ids, computed, blocks, secondText, length);
        }

        int end() {
            return computed + ids.length;
        }

        /// Returns the end of the expanded positions of the row.
        int expandedEnd(int span) {
            int expanded = span == 0 || isPadding() ? 0 : promptLength / span * span;
            return Math.clamp(expanded, computed, end());
        }

        /// Returns a padding row.
        static Row padding(int tokens) {
            return new Row(new int[tokens], 0, new int[0]);
        }

        boolean isPadding() {
            return blocks.length == 0;
        }
    }

    /// [#forward] or [#replay].
    interface Step {
        float[][] run(List<Row> rows) throws Exception;
    }

    private TestGroup(ExecutorService threads, List<TestRank> ranks) {
        this.threads = threads;
        this.ranks = ranks;
    }

    static TestGroup load(Path path, int size, String dtype, String kvDtype) throws Exception {
        return load(path, size, dtype, kvDtype, new CpuRanks());
    }

    static TestGroup load(Path path, int size, String dtype, String kvDtype, TestRanks ranks)
            throws Exception {
        return load(path, size, dtype, kvDtype, ranks, 1);
    }

    /// @param positions the longest sequence, if it is longer than the model's context
    static TestGroup load(
            Path path, int size, String dtype, String kvDtype, TestRanks ranks, int positions)
            throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(size);
        List<Future<TestRank>> loading = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            int own = rank;
            loading.add(
                    threads.submit(
                            () ->
                                    TestRank.load(
                                            path, own, size, dtype, kvDtype, ranks, positions)));
        }
        return new TestGroup(threads, all(loading));
    }

    /// Expands spans of so many positions from now on.
    TestGroup expanding(int positions) {
        span = positions;
        return this;
    }

    /// Copies blocks of every KV group on every rank.
    void copyBlocks(List<BlockCopy> copies) throws Exception {
        onEveryRank(
                rank -> {
                    rank.copyBlocks(copies);
                    return true;
                });
    }

    /// Returns the logits of every token of every row, in order of the rows.
    float[][] forward(List<Row> rows) throws Exception {
        return onEveryRank(rank -> rank.forward(rows, span)).getFirst();
    }

    /// Returns the hidden states of every token of whole sequences that keep no keys and values.
    float[][] hiddenStates(List<Row> rows) throws Exception {
        return onEveryRank(rank -> rank.hiddenStates(rows, span)).getFirst();
    }

    /// Returns the same of sequences that keep them.
    float[][] hiddenStatesWithKv(List<Row> rows) throws Exception {
        return onEveryRank(rank -> rank.hiddenStatesWithKv(rows, span)).getFirst();
    }

    /// Returns the same by a recording, which is made at the first batch of a shape.
    float[][] replay(List<Row> rows) throws Exception {
        return onEveryRank(rank -> rank.replay(rows)).getFirst();
    }

    Model model() {
        return ranks.getFirst().model();
    }

    /// Returns the greedy continuation of one sequence whose blocks begin at `firstBlock`.
    int[] greedy(int[] prompt, int count, int firstBlock) throws Exception {
        int[] blocks = blocks(firstBlock, prompt.length + count);
        int[] ids = new int[count];
        float[][] logits = forward(List.of(new Row(prompt, 0, blocks)));
        ids[0] = argMax(logits[prompt.length - 1]);
        for (int i = 1; i < count; i++) {
            int computed = prompt.length + i - 1;
            var row = new Row(new int[] {ids[i - 1]}, computed, blocks).ofPrompt(prompt.length);
            float[][] next = forward(List.of(row));
            ids[i] = argMax(next[0]);
        }
        return ids;
    }

    static int[] blocks(int first, int tokens) {
        int[] blocks = new int[Math.ceilDiv(tokens, BLOCK_SIZE)];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = first + i;
        }
        return blocks;
    }

    static int argMax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    private <T> List<T> onEveryRank(Function<TestRank, T> task) throws Exception {
        List<Future<T>> running = new ArrayList<>();
        for (TestRank rank : ranks) {
            running.add(
                    threads.submit(
                            () -> {
                                rank.attachThread();
                                return task.apply(rank);
                            }));
        }
        return all(running);
    }

    private static <T> List<T> all(List<Future<T>> futures) throws Exception {
        List<T> results = new ArrayList<>();
        for (Future<T> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                if (e.getCause() instanceof RuntimeException failure) {
                    throw failure;
                }
                throw e;
            }
        }
        return results;
    }

    @Override
    public void close() {
        try {
            onEveryRank(
                    rank -> {
                        rank.close();
                        return true;
                    });
        } catch (Exception e) {
            throw new IllegalStateException("a rank did not close", e);
        } finally {
            threads.shutdownNow();
        }
    }
}

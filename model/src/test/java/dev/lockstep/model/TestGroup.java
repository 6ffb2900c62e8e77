// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.HostCommunicator;
import dev.lockstep.nccl.Rendezvous;
import dev.lockstep.nccl.SoloCommunicator;
import dev.lockstep.nccl.Waiting;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/// The ranks of a model as threads of one JVM; every rank runs the same batches, rank 0's logits
/// are returned.
final class TestGroup implements AutoCloseable {
    static final int BLOCK_SIZE = 16;
    private static final int MAX_TOKENS = 256;
    private static final int MAX_LOGIT_ROWS = 256;
    private static final int BLOCKS = 256;

    private final ExecutorService threads;
    private final List<Rank> ranks;

    /// One row: `ids` of a sequence at positions from `computed` on; `blocks` is the sequence's
    /// whole table. In a KV group with a window, blocks before the window become the null block.
    record Row(int[] ids, int computed, int[] blocks) {
        /// Returns a padding row.
        static Row padding(int tokens) {
            return new Row(new int[tokens], 0, new int[0]);
        }

        boolean isPadding() {
            return blocks.length == 0;
        }
    }

    private TestGroup(ExecutorService threads, List<Rank> ranks) {
        this.threads = threads;
        this.ranks = ranks;
    }

    static TestGroup load(Path path, int size, String dtype, String kvDtype) throws Exception {
        return load(path, size, dtype, kvDtype, CpuOptions.ofThreads(1).withoutSpinning());
    }

    static TestGroup load(Path path, int size, String dtype, String kvDtype, CpuOptions options)
            throws Exception {
        return load(path, size, dtype, kvDtype, options, 1);
    }

    /// @param positions the longest sequence, if it is longer than the model's context
    static TestGroup load(
            Path path, int size, String dtype, String kvDtype, CpuOptions options, int positions)
            throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(size);
        String name = "model-test-" + UUID.randomUUID();
        List<Future<Rank>> loading = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            int own = rank;
            loading.add(
                    threads.submit(
                            () ->
                                    Rank.load(
                                            path, own, size, name, dtype, kvDtype, options,
                                            positions)));
        }
        return new TestGroup(threads, all(loading));
    }

    /// Returns the logits of every token of every row, in order of the rows.
    float[][] forward(List<Row> rows) throws Exception {
        return onEveryRank(rank -> rank.forward(rows)).getFirst();
    }

    Model model() {
        return ranks.getFirst().model;
    }

    /// Returns the greedy continuation of one sequence whose blocks begin at `firstBlock`.
    int[] greedy(int[] prompt, int count, int firstBlock) throws Exception {
        int[] blocks = blocks(firstBlock, prompt.length + count);
        int[] ids = new int[count];
        float[][] logits = forward(List.of(new Row(prompt, 0, blocks)));
        ids[0] = argMax(logits[prompt.length - 1]);
        for (int i = 1; i < count; i++) {
            int computed = prompt.length + i - 1;
            float[][] next = forward(List.of(new Row(new int[] {ids[i - 1]}, computed, blocks)));
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

    private <T> List<T> onEveryRank(Function<Rank, T> task) throws Exception {
        List<Future<T>> running = new ArrayList<>();
        for (Rank rank : ranks) {
            running.add(threads.submit(() -> task.apply(rank)));
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

    private record Rank(
            Model model,
            Kernels kernels,
            Communicator communicator,
            ActivationBuffers activations,
            List<PagedKv> kv,
            DeviceBuffer indexes,
            Arena arena)
            implements AutoCloseable {

        static Rank load(
                Path path,
                int rank,
                int size,
                String name,
                String dtype,
                String kvDtype,
                CpuOptions options,
                int positions) {
            ModelSource source = ModelSource.open(path);
            Kernels kernels = CpuKernels.open(options);
            ComputeTypes types = source.computeTypes(dtype, kvDtype, kernels.capabilities());
            Model model =
                    source.load(
                            source.shard(rank, size),
                            kernels,
                            new LoadSettings(
                                    types.compute(),
                                    types.kv(),
                                    BLOCK_SIZE,
                                    Math.max(positions, Math.min(2048, source.contextLength())),
                                    LoadSettings.Progress.none()));
            Communicator communicator =
                    size == 1
                            ? new SoloCommunicator(kernels)
                            : HostCommunicator.open(
                                    Rendezvous.inSharedMemory(name, 1, size),
                                    rank,
                                    ActivationBuffers.collectiveBytes(
                                            model,
                                            kernels.activationType(),
                                            MAX_TOKENS,
                                            MAX_LOGIT_ROWS),
                                    kernels,
                                    Waiting.BLOCK,
                                    Duration.ofMinutes(2));
            var activations =
                    new ActivationBuffers(model, kernels, communicator, MAX_TOKENS, MAX_LOGIT_ROWS);
            List<PagedKv> kv = new ArrayList<>();
            for (KvLayout layout : model.kvLayouts()) {
                kv.add(kernels.allocateKv(layout, BLOCKS));
            }
            return new Rank(
                    model,
                    kernels,
                    communicator,
                    activations,
                    kv,
                    kernels.allocate(1 << 20),
                    Arena.ofShared());
        }

        float[][] forward(List<Row> rows) {
            int tokens = rows.stream().mapToInt(row -> row.ids().length).sum();
            int width = rows.stream().mapToInt(row -> row.blocks().length).max().orElseThrow();
            int[] ids = new int[tokens];
            int[] positions = new int[tokens];
            int[] all = new int[tokens];
            int[] starts = new int[rows.size() + 1];
            int[] computed = new int[rows.size()];
            int[] lines = new int[rows.size()];
            int token = 0;
            for (int r = 0; r < rows.size(); r++) {
                Row row = rows.get(r);
                lines[r] = row.isPadding() ? PagedBatch.PADDING : r;
                computed[r] = row.computed();
                for (int i = 0; i < row.ids().length; i++, token++) {
                    ids[token] = row.ids()[i];
                    positions[token] = row.computed() + i;
                    all[token] = token;
                }
                starts[r + 1] = token;
            }
            var cursor = new Cursor();
            List<PagedBatch> paged = new ArrayList<>();
            for (KvGroup group : model.config().kvGroups()) {
                paged.add(
                        new PagedBatch(
                                rows.size(),
                                tokens,
                                upload(cursor, starts, 1),
                                upload(cursor, computed, 1),
                                upload(cursor, lines, 1),
                                upload(cursor, table(group, rows, width), rows.size())));
            }
            var batch =
                    new ForwardBatch(
                            tokens,
                            upload(cursor, ids, 1),
                            upload(cursor, positions, 1),
                            paged,
                            upload(cursor, all, 1));
            Tensor logits = model.forward(batch, kv, activations);
            MemorySegment host = arena.allocate(logits.bytes(), 64);
            kernels.copyToHost(logits, host);
            float[][] result = new float[tokens][logits.columns()];
            for (int t = 0; t < tokens; t++) {
                MemorySegment.copy(
                        host,
                        ValueLayout.JAVA_FLOAT,
                        4L * t * logits.columns(),
                        result[t],
                        0,
                        logits.columns());
            }
            return result;
        }

        private static int[] table(KvGroup group, List<Row> rows, int width) {
            int[] table = new int[rows.size() * width];
            for (int r = 0; r < rows.size(); r++) {
                int[] blocks = rows.get(r).blocks();
                int seen =
                        group.window() == 0
                                ? 0
                                : Math.max(0, rows.get(r).computed() + 1 - group.window());
                for (int b = seen / BLOCK_SIZE; b < blocks.length; b++) {
                    table[r * width + b] = blocks[b];
                }
            }
            return table;
        }

        private Tensor upload(Cursor cursor, int[] values, int rows) {
            Tensor tensor = indexes.tensor(cursor.bytes, DType.I32, rows, values.length / rows);
            cursor.bytes += 4L * values.length;
            kernels.copyToDevice(arena.allocateFrom(ValueLayout.JAVA_INT, values), tensor);
            return tensor;
        }

        @Override
        public void close() {
            activations.close();
            kv.forEach(PagedKv::close);
            indexes.close();
            communicator.close();
            kernels.close();
            arena.close();
        }
    }

    private static final class Cursor {
        private long bytes;
    }
}

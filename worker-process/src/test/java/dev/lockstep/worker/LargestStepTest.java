// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.ModelSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The largest step that a rank measures on an emulated GPU, and the KV blocks that it leaves.
@Tag("processes")
final class LargestStepTest {
    private static final long MIB = 1L << 20;
    private static final int HANG_SECONDS = 120;

    private static final List<String> SETTINGS =
            List.of(
                    "--max-num-seqs=" + TestWorker.MAX_SEQUENCES,
                    "--max-num-batched-tokens=" + TestWorker.MAX_TOKENS,
                    "--max-model-len=" + TestWorker.MAX_POSITIONS,
                    // Of the 2 GiB of an emulated GPU.
                    "--gpu-memory-utilization=0.4");

    @TempDir Path folder;

    @BeforeEach
    void write() throws IOException {
        TinyCheckpoint.write(folder, 7);
    }

    @Test
    void kvBlocksTakeWhatTheStepHasLeft() {
        try (LoadedRank loaded = EmulatedRank.load(folder, 0, 1, SETTINGS)) {
            long held = loaded.kernels().allocatedBytes();
            long free = loaded.kernels().freeBytes();
            long unusable = 2048 * MIB - (long) (0.4 * (double) (2048 * MIB));
            long kv = loaded.rank().kvBlocks() * loaded.rank().bytesPerBlock();
            long graphs = (64 + 4 * DecodeSizes.upTo(TestWorker.MAX_SEQUENCES).size()) * MIB;
            long step = free - unusable - graphs - kv;
            assertTrue(step > 0 && step < 2 * MIB, "a tiny step takes %d bytes".formatted(step));
            try (Session session = open(loaded, 1, loaded.rank().kvBlocks(), new byte[0])) {
                assertEquals(1, session.communicator().size());
                long all = loaded.kernels().allocatedBytes() - held;
                long difference = Math.abs(all - kv - step);
                assertTrue(difference < 64 << 10, "the session of an epoch takes as much");
            }
        }
    }

    /// Two states of each sequence: in its slot, and in a snapshot.
    @Test
    void statesAreInTheMemoryOfTheStepAndInTheBill() {
        Path model = Fixtures.require("models/qwen3-next");
        ModelSource source = ModelSource.open(model);
        ComputeTypes types = source.computeTypes("f32", "f32", DeviceCapabilities.ofCuda(9, 0));
        long states = 4L * 2 * 3 * (3 * 256 + 4 * 32 * 32);
        long[] bill = new long[2];
        long[] held = new long[2];
        int[] sequences = {TestWorker.MAX_SEQUENCES, 64};
        for (int i = 0; i < sequences.length; i++) {
            List<String> settings = new ArrayList<>(SETTINGS);
            settings.set(0, "--max-num-seqs=" + sequences[i]);
            bill[i] =
                    source.activationBytes(
                            source.shard(0, 1),
                            types,
                            WorkerConfig.BLOCK_SIZE,
                            TestWorker.MAX_TOKENS,
                            sequences[i]);
            try (LoadedRank loaded = EmulatedRank.load(model, 0, 1, settings)) {
                held[i] = -loaded.kernels().allocatedBytes();
                var formation =
                        new StepRunner.Formation(
                                1,
                                "test",
                                new byte[0],
                                TestWorker.BLOCKS,
                                sequences[i],
                                Optional.of(TestWorker.MAX_TOKENS),
                                false,
                                0);
                try (Session session = loaded.rank().open(formation, () -> "")) {
                    assertEquals(1, session.communicator().size());
                    held[i] += loaded.kernels().allocatedBytes();
                }
            }
        }
        int more = sequences[1] - sequences[0];
        assertTrue(bill[1] - bill[0] >= more * states);
        long others = held[1] - held[0] - (bill[1] - bill[0]);
        assertTrue(others >= 0 && others < more * (16L << 10), "a sampler's slots: " + others);
    }

    @Test
    void aStepThatDoesNotFitIsRefusedWithTheBill() {
        long before = calls();
        EmulatedRank.load(folder, 0, 1, SETTINGS).close();
        // The last allocation of a start belongs to the step.
        long last = calls() + (calls() - before);
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "cuMemAlloc_v2:%d:2".formatted(last));
        try {
            TooLittleMemoryException refusal =
                    assertThrows(
                            TooLittleMemoryException.class,
                            () -> EmulatedRank.load(folder, 0, 1, SETTINGS));
            String message = refusal.getMessage() + "";
            assertTrue(message.startsWith("of 2048 MiB of GPU memory, weights take"), message);
            assertTrue(message.contains("CUDA_ERROR_OUT_OF_MEMORY (2)"), message);
            assertTrue(message.endsWith("--max-num-batched-tokens"), message);
        } finally {
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
        }
    }

    /// Another process of a GPU leaves one rank less: the group forms with what that one holds.
    @Test
    void ranksWithUnequalMemoryFormWithTheBlocksOfTheSmaller() throws Exception {
        var ranks = new UnequalRanks();
        List<List<Integer>> ids =
                together(List.of(() -> ranks.run(0, 0), () -> ranks.run(1, 100 * MIB)));
        assertEquals(8, ids.get(0).size());
        assertEquals(List.of(), ids.get(1), "rank 0 samples");
        long missing = of(ranks.bytes.get(0)) - of(ranks.bytes.get(1));
        assertTrue(missing > 95 * MIB && missing < 105 * MIB, missing + " bytes");
    }

    /// Two ranks in threads of their own, which tell each other what a scheduler would.
    private final class UnequalRanks {
        private final List<CompletableFuture<Integer>> blocks =
                List.of(new CompletableFuture<>(), new CompletableFuture<>());
        private final List<CompletableFuture<Long>> bytes =
                List.of(new CompletableFuture<>(), new CompletableFuture<>());
        private final CompletableFuture<byte[]> id = new CompletableFuture<>();

        /// Returns the ids that the rank samples.
        ///
        /// @param ballast bytes of its GPU that others hold
        List<Integer> run(int rank, long ballast) {
            CudaKernels other = CudaUnderTest.open(rank, DType.F32);
            try (DeviceBuffer held = other.allocate(ballast);
                    LoadedRank loaded = EmulatedRank.load(folder, rank, 2, SETTINGS)) {
                assertEquals(ballast, held.bytes());
                int own = loaded.rank().kvBlocks();
                blocks.get(rank).complete(own);
                bytes.get(rank).complete(own * loaded.rank().bytesPerBlock());
                if (rank == 0) {
                    id.complete(loaded.rank().connector().newCollectiveId());
                }
                int agreed = Math.min(of(blocks.get(0)), of(blocks.get(1)));
                if (own == agreed) {
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> open(loaded, 1, own + 1, new byte[0]));
                }
                try (Session session = open(loaded, 2, agreed, of(id))) {
                    loaded.rank().warm(session, formation(2, agreed, of(id)));
                    return TestWorker.generate(
                                    session, TestSteps.PROMPT, new int[0], 8, TestWorker.seeded(1))
                            .stream()
                            .map(StepOutcome.Sampled::id)
                            .toList();
                }
            } finally {
                other.close();
            }
        }
    }

    private static <T> T of(CompletableFuture<T> future) {
        return future.orTimeout(HANG_SECONDS, TimeUnit.SECONDS).join();
    }

    private static Session open(LoadedRank loaded, long epoch, int blocks, byte[] id) {
        return loaded.rank().open(formation(epoch, blocks, id), () -> "");
    }

    private static StepRunner.Formation formation(long epoch, int blocks, byte[] id) {
        return new StepRunner.Formation(
                epoch,
                "test",
                id,
                blocks,
                TestWorker.MAX_SEQUENCES,
                Optional.of(TestWorker.MAX_TOKENS),
                false,
                0);
    }

    private static long calls() {
        return EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemAlloc_v2");
    }

    private static <T> List<T> together(List<Callable<T>> ranks) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(ranks.size())) {
            List<Future<T>> running = ranks.stream().map(threads::submit).toList();
            List<T> results = new ArrayList<>();
            for (Future<T> each : running) {
                results.add(each.get(HANG_SECONDS, TimeUnit.SECONDS));
            }
            return results;
        }
    }
}

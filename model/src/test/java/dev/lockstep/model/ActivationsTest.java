// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.nccl.SoloCommunicator;
import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ActivationsTest {
    private static final int MAX_TOKENS = 33;
    private static final int MAX_ROWS = 5;

    @TempDir Path folder;

    @Test
    void theMemoryPlanEqualsTheAllocatedBytes() throws IOException {
        TinyCheckpoint.write(folder, 3);
        ModelSource source = ModelSource.open(folder);
        requirePlanned(source, 0, 1);
        requirePlanned(source, 0, 2);
        requirePlanned(source, 1, 2);
    }

    @Test
    void theMemoryPlanCountsTheScratchMemoryOfExperts() throws URISyntaxException {
        URL file = getClass().getResource("/references/gguf-qwen3moe/model.gguf");
        ModelSource source = ModelSource.open(Path.of(file.toURI()));
        requirePlanned(source, 0, 1);
        int perToken = source.config().details().experts().orElseThrow().perToken();
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels.capabilities());
            Model model = load(source, source.shard(0, 1), types, kernels);
            try (var communicator = new SoloCommunicator(kernels);
                    ActivationBuffers activations =
                            new ActivationBuffers(model, kernels, communicator, 1, 1, 1)) {
                assertEquals(perToken, activations.expertScratch(1, 32).rows());
            }
        }
    }

    @Test
    void theMemoryPlanCountsOneRowOfALatentCache() {
        ModelSource source = ModelSource.open(Fixtures.require("models/deepseek-v3"));
        for (int ranks = 1; ranks <= 4; ranks++) {
            requirePlanned(source, ranks - 1, ranks);
        }
    }

    @Test
    void theMemoryPlanCountsStates() {
        ModelSource source = ModelSource.open(Fixtures.require("models/qwen3-next"));
        requirePlanned(source, 0, 1);
        requirePlanned(source, 1, 2);
        StateShard shard = StateShard.of(source.config(), source.shard(0, 1)).orElseThrow();
        // Three layers of the last 3 inputs of 256 channels, and of 4 matrices of 32 times 32.
        assertEquals(3 * (3 * 256 + 4 * 32 * 32), shard.floats());
    }

    @ParameterizedTest
    @CsvSource({"gemma3n, 96", "gemma4-layer-inputs, 96", "gemma4-moe, 128"})
    void whatGemmaHasBesideItsResidualIsPlanned(String name, long unplanned) throws Exception {
        URL folder = getClass().getResource("/references/" + name);
        ModelSource source = ModelSource.open(Path.of(folder.toURI()));
        for (int ranks = 1; ranks <= 4; ranks++) {
            // Two pools; a hidden size of 24 is planned as whole lines of 64 bytes.
            requirePlanned(source, ranks - 1, ranks, unplanned);
        }
    }

    @Test
    void aModelWithoutAHeadHasNoMemoryForLogits() throws URISyntaxException {
        URL folder = getClass().getResource("/encoders/bert");
        ModelSource source = ModelSource.open(Path.of(folder.toURI()));
        requirePlanned(source, 0, 1);
        requirePlanned(source, 0, 2);
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels.capabilities());
            Shard shard = source.shard(0, 1);
            Model model = load(source, shard, types, kernels);
            try (var communicator = new SoloCommunicator(kernels);
                    ActivationBuffers activations =
                            new ActivationBuffers(
                                    model, kernels, communicator, MAX_TOKENS, MAX_ROWS, MAX_ROWS)) {
                assertEquals(0, activations.maxLogitRows());
                assertEquals(0, activations.logits(0).elements());
            }
            // Rows add the place of their last block alone.
            long perRow =
                    ActivationBuffers.stepKvBytes(source.config(), shard, types.kv(), 16, 64, 33)
                            - ActivationBuffers.stepKvBytes(
                                    source.config(), shard, types.kv(), 16, 64, 1);
            assertEquals(
                    perRow,
                    source.activationBytes(shard, types, 16, 64, 33)
                            - source.activationBytes(shard, types, 16, 64, 1));
        }
    }

    @Test
    void whatAStateGivesBesideAttentionFitsAtAnyRankCount() throws Exception {
        URL folder = getClass().getResource("/references/falcon-h1");
        ModelConfig read = ModelSource.open(Path.of(folder.toURI())).config();
        ModelConfig config = wide(read, 512);
        for (Shard shard : Shard.cut(config, 4)) {
            assertTrue(StateShard.of(config, shard).orElseThrow().mixerColumns() < 512);
            try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
                    var communicator = new SoloCommunicator(kernels);
                    ActivationBuffers activations =
                            new ActivationBuffers(
                                    new Unloaded(config, shard), kernels, communicator, 1, 1, 1)) {
                assertEquals(512, activations.mixer(1).columns());
            }
        }
    }

    private static ModelConfig wide(ModelConfig config, int hidden) {
        return new ModelConfig(
                config.architecture(),
                hidden,
                config.layerCount(),
                config.feedForwardSize(),
                config.vocabularySize(),
                config.contextLength(),
                config.normEpsilon(),
                config.attention(),
                config.rope(),
                config.windowRope(),
                config.tiedEmbeddings(),
                config.kvGroups(),
                config.specialIds(),
                config.weightType(),
                config.details());
    }

    /// A shape without weights.
    private record Unloaded(ModelConfig config, Shard shard) implements Model {
        @Override
        public List<KvLayout> kvLayouts() {
            return List.of();
        }

        @Override
        public long weightBytes() {
            return 0;
        }

        @Override
        public Tensor forward(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Tensor logits(int tokens, Tensor rows, ActivationBuffers activations) {
            throw new UnsupportedOperationException();
        }
    }

    private static void requirePlanned(ModelSource source, int rank, int size) {
        requirePlanned(source, rank, size, 64);
    }

    /// @param unplanned on a CPU the 64 bytes after the last block of a pool are read, never used
    private static void requirePlanned(ModelSource source, int rank, int size, long unplanned) {
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels.capabilities());
            Model model = load(source, source.shard(rank, size), types, kernels);
            long before = kernels.allocatedBytes();
            // Its memory counts with that of the kernels.
            try (var communicator = new SoloCommunicator(kernels)) {
                long own = kernels.allocatedBytes();
                try (ActivationBuffers activations =
                        new ActivationBuffers(
                                model, kernels, communicator, MAX_TOKENS, MAX_ROWS, MAX_ROWS)) {
                    assertEquals(
                            unplanned
                                    + source.activationBytes(
                                            model.shard(), types, 16, MAX_TOKENS, MAX_ROWS),
                            kernels.allocatedBytes() - own,
                            "rank %d of %d".formatted(rank, size));
                    boolean experts = source.config().details().experts().isPresent();
                    assertEquals(
                            experts ? source.config().hiddenSize() : 0,
                            activations
                                    .expertScratch(0, experts ? source.config().hiddenSize() : 0)
                                    .input()
                                    .columns());
                }
            }
            assertEquals(before, kernels.allocatedBytes(), "everything is freed");
        }
    }

    @Test
    void theLogitsOfTheWholeVocabularyAreHeldOnceAndByRankZero() throws IOException {
        TinyCheckpoint.write(folder, 3);
        ModelSource source = ModelSource.open(folder);
        int vocabulary = source.vocabularySize();
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels.capabilities());
            int[][] ranks = {{0, 1, vocabulary}, {0, 2, vocabulary}, {1, 2, 0}};
            for (int[] rank : ranks) {
                Model model = load(source, source.shard(rank[0], rank[1]), types, kernels);
                try (var communicator = new SoloCommunicator(kernels);
                        ActivationBuffers activations =
                                new ActivationBuffers(
                                        model,
                                        kernels,
                                        communicator,
                                        MAX_TOKENS,
                                        MAX_ROWS,
                                        MAX_ROWS)) {
                    assertEquals(rank[2], activations.logits(MAX_ROWS).columns());
                    boolean alone = rank[1] == 1;
                    assertEquals(
                            alone,
                            activations.shardLogits(2).equals(activations.logits(2)),
                            "a single rank's head writes the logits");
                }
            }
        }
    }

    private static Model load(
            ModelSource source, Shard shard, ComputeTypes types, Kernels kernels) {
        return source.load(
                shard,
                kernels,
                new LoadSettings(
                        types.compute(), types.kv(), 16, 64, LoadSettings.Progress.none()));
    }
}

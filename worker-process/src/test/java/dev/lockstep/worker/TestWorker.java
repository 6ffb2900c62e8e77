// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/// A single rank on a tiny random model, and the steps that a scheduler would send to it.
final class TestWorker implements AutoCloseable {
    static final int MAX_POSITIONS = 128;
    static final int MAX_SEQUENCES = 8;
    static final int PROMPT_SPAN = 16;
    static final int MAX_TOKENS = 64;
    static final int BLOCKS = 33;
    static final String INCARNATION = "0123456789abcdef0123456789abcdef";

    /// Nothing is written to it. The paths of its sockets have a limit; those of models do not.
    static final Path RUN_FOLDER = Path.of(System.getProperty("java.io.tmpdir"));

    final Rank rank;
    final JoinReply joinReply;

    private TestWorker(Rank rank, JoinReply joinReply) {
        this.rank = rank;
        this.joinReply = joinReply;
    }

    static TestWorker onTinyModel(Path folder) throws IOException {
        return onTinyModel(folder, MAX_POSITIONS);
    }

    static TestWorker onTinyModel(Path folder, int maxPositions) throws IOException {
        TinyCheckpoint.write(folder, 7);
        return onModel(folder, maxPositions);
    }

    static TestWorker onModel(Path folder, int maxPositions) {
        return onModel(folder, maxPositions, openKernels());
    }

    /// Opens a CPU, whose decode steps the rank records if `graphs` says so.
    static TestWorker onModel(Path folder, int maxPositions, boolean graphs) {
        Kernels kernels = openKernels();
        return onModel(
                folder,
                maxPositions,
                kernels,
                new HostConnector(config(folder, List.of()), kernels),
                List.of(),
                "auto",
                graphs);
    }

    /// @param kernels closed with the worker
    static TestWorker onModel(Path folder, int maxPositions, Kernels kernels) {
        return onModel(
                folder,
                maxPositions,
                kernels,
                new HostConnector(config(folder, List.of()), kernels),
                List.of());
    }

    /// Opens the first emulated device, which records decode steps if `graphs` says so.
    static TestWorker onGpu(Path folder, DType compute, boolean graphs) {
        return onGpu(folder, MAX_POSITIONS, compute, graphs);
    }

    static TestWorker onGpu(Path folder, int maxPositions, DType compute, boolean graphs) {
        CudaKernels kernels = CudaUnderTest.open(compute);
        return onModel(
                folder,
                maxPositions,
                kernels,
                new HostConnector(config(folder, List.of()), kernels),
                List.of(),
                compute == DType.BF16 ? "bf16" : "auto",
                graphs);
    }

    /// @param settings further ones of the worker
    static TestWorker onModel(
            Path folder,
            int maxPositions,
            Function<Kernels, Connector> connector,
            List<String> settings) {
        Kernels kernels = openKernels();
        return onModel(folder, maxPositions, kernels, connector.apply(kernels), settings);
    }

    static Kernels openKernels() {
        return CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning().expandingLatents());
    }

    private static TestWorker onModel(
            Path folder,
            int maxPositions,
            Kernels kernels,
            Connector connector,
            List<String> settings) {
        return onModel(folder, maxPositions, kernels, connector, settings, "auto", false);
    }

    private static TestWorker onModel(
            Path folder,
            int maxPositions,
            Kernels kernels,
            Connector connector,
            List<String> settings,
            String dtype,
            boolean graphs) {
        ModelSource source = ModelSource.open(folder);
        ComputeTypes types = source.computeTypes(dtype, "auto", kernels.capabilities());
        Shard shard = source.shard(0, 1);
        Model model =
                source.load(
                        shard,
                        kernels,
                        new LoadSettings(
                                types.compute(),
                                types.kv(),
                                WorkerConfig.BLOCK_SIZE,
                                maxPositions,
                                LoadSettings.Progress.none()));
        long kvBytes = BLOCKS * WorkerConfig.BLOCK_SIZE * source.kvBytesPerToken(shard, types.kv());
        var rank =
                new Rank(
                        model,
                        kernels,
                        connector,
                        new Rank.RankLimits(
                                maxPositions,
                                WorkerConfig.BLOCK_SIZE,
                                // Prompts of tests are short.
                                source.promptSpan(kernels.capabilities()) == 0 ? 0 : PROMPT_SPAN,
                                MAX_TOKENS,
                                kvBytes,
                                graphs));
        return new TestWorker(
                rank,
                new JoinReply(
                        config(folder, settings),
                        INCARNATION,
                        source,
                        model,
                        types,
                        kernels.device(),
                        rank,
                        maxPositions,
                        4096));
    }

    private static WorkerConfig config(Path folder, List<String> settings) {
        List<String> arguments = new ArrayList<>(settings);
        arguments.add("--zookeeper=unused:1");
        arguments.add("--max-num-seqs=" + MAX_SEQUENCES);
        return WorkerConfig.of(
                Settings.parse(WorkerConfig.SPEC, arguments, Map.of()), folder, "tiny", RUN_FOLDER);
    }

    Session open(long epoch) {
        return rank.open(formation(epoch), () -> "");
    }

    /// Opens a session and warms it up, as a runner does.
    Session openWarm(long epoch) {
        StepRunner.Formation formation = formation(epoch);
        Session session = rank.open(formation, () -> "");
        rank.warm(session, formation);
        return session;
    }

    private static StepRunner.Formation formation(long epoch) {
        return new StepRunner.Formation(
                epoch,
                "test",
                new byte[0],
                BLOCKS,
                MAX_SEQUENCES,
                Optional.of(MAX_TOKENS),
                false,
                0);
    }

    static Step.Admission admission(
            int slot, int[] prompt, int[] outputs, SamplingSettings settings) {
        return new Step.Admission("r", slot, prompt, outputs, settings, 0);
    }

    static Step.Row row(int slot, int computed, int count, int... newBlocks) {
        return new Step.Row(slot, computed, count, List.of(newBlocks), List.of());
    }

    static Step step(
            Session session, int[] released, List<Step.Admission> admitted, Step.Row... rows) {
        return new Step(
                session.epoch(),
                session.lastNumber() + 1,
                released,
                admitted,
                List.of(),
                List.of(rows));
    }

    /// Generates `count` tokens after `outputs`, alone in slot 0 with blocks from 1 on.
    static List<StepOutcome.Sampled> generate(
            Session session, int[] prompt, int[] outputs, int count, SamplingSettings settings) {
        int known = prompt.length + outputs.length;
        List<StepOutcome.Sampled> sampled = new ArrayList<>();
        int[] blocks = new int[Math.ceilDiv(known + count, WorkerConfig.BLOCK_SIZE)];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = i + 1;
        }
        sampled.addAll(
                session.run(
                                step(
                                        session,
                                        new int[0],
                                        List.of(admission(0, prompt, outputs, settings)),
                                        row(0, 0, known, blocks)))
                        .sampled());
        for (int i = 1; i < count; i++) {
            sampled.addAll(
                    session.run(step(session, new int[0], List.of(), row(0, known + i - 1, 1)))
                            .sampled());
        }
        session.run(step(session, new int[] {0}, List.of()));
        return sampled;
    }

    static SamplingSettings seeded(long seed) {
        return SamplingSettings.builder()
                .temperature(1)
                .repetitionPenalty(1.1f)
                .frequencyPenalty(0.2f)
                .presencePenalty(0.2f)
                .seed(seed)
                .logprobs(true)
                .topLogprobs(3)
                .build();
    }

    /// Asserts equal ids and equal bits of log-probabilities.
    static void assertSame(List<StepOutcome.Sampled> expected, List<StepOutcome.Sampled> actual) {
        assertEquals(expected.size(), actual.size());
        for (int i = 0; i < expected.size(); i++) {
            StepOutcome.Sampled a = expected.get(i);
            StepOutcome.Sampled b = actual.get(i);
            assertEquals(a.id(), b.id(), "token " + i);
            assertEquals(
                    a.logprobs().orElseThrow().chosen(), b.logprobs().orElseThrow().chosen(), 0f);
            assertArrayEquals(
                    a.logprobs().orElseThrow().topIds(),
                    b.logprobs().orElseThrow().topIds(),
                    a.toString());
            assertArrayEquals(
                    a.logprobs().orElseThrow().top(), b.logprobs().orElseThrow().top(), 0f);
        }
    }

    @Override
    public void close() {
        rank.close();
    }
}

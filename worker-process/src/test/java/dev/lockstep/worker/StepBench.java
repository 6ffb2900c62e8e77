// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import com.sun.management.ThreadMXBean;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.SoloCommunicator;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A benchmark of the bare model loop: the steps of a worker in this process, without a scheduler,
/// messages or text. Run by `scripts/bench steps MODEL THREADS SEQUENCES PROMPT STEPS ROUNDS`.
///
/// It prints a line of JSON: tokens per second of each round of decode steps, and of a step the
/// bytes that the step thread allocates and the share of its time outside kernels, the largest that
/// it can be: the clock's own time counts as outside.
final class StepBench {
    private static final int MAX_TOKENS = 512;
    private static final int[] NOTHING = {};

    private final Session session;
    private final int sequences;
    private final int prompt;
    private final int steps;
    private final Random random = new Random(7);

    private StepBench(Session session, int sequences, int prompt, int steps) {
        this.session = session;
        this.sequences = sequences;
        this.prompt = prompt;
        this.steps = steps;
    }

    /// Counts the time within kernels; belongs to the step thread.
    private static final class Clock {
        long nanos;

        /// Returns an object whose methods are timed, those of the sampler and of the attention
        /// that it makes too.
        <T> T timed(T target, Class<T> type) {
            return type.cast(
                    Proxy.newProxyInstance(
                            type.getClassLoader(),
                            new Class<?>[] {type},
                            (_, method, arguments) -> call(target, method, arguments)));
        }

        private @Nullable Object call(Object target, Method method, Object[] arguments)
                throws Throwable {
            long began = System.nanoTime();
            try {
                return switch (method.invoke(target, arguments)) {
                    case Sampler sampler -> timed(sampler, Sampler.class);
                    case AttentionBackend attention -> timed(attention, AttentionBackend.class);
                    case Object result -> result;
                    case null -> null;
                };
            } catch (InvocationTargetException e) {
                throw e.getCause();
            } finally {
                nanos += System.nanoTime() - began;
            }
        }
    }

    public static void main(String[] words) {
        Path model = Path.of(words[0]);
        int threads = Integer.parseInt(words[1]);
        int sequences = Integer.parseInt(words[2]);
        int prompt = Integer.parseInt(words[3]);
        int steps = Integer.parseInt(words[4]);
        int rounds = Integer.parseInt(words[5]);
        List<Double> rates = new ArrayList<>();
        var threadsOf = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long bytes;
        try (CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(threads));
                Session session = open(model, kernels, kernels, sequences, prompt + steps)) {
            var bench = new StepBench(session, sequences, prompt, steps);
            bench.round();
            for (int round = 0; round < rounds; round++) {
                rates.add(sequences * (steps - 1) / (bench.round() / 1e9));
            }
            List<Step> decodes = bench.begin();
            long before = threadsOf.getCurrentThreadAllocatedBytes();
            decodes.forEach(session::run);
            bytes = threadsOf.getCurrentThreadAllocatedBytes() - before;
        }
        var clock = new Clock();
        double outside;
        try (CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(threads));
                Session session =
                        open(
                                model,
                                kernels,
                                clock.timed(kernels, Kernels.class),
                                sequences,
                                prompt + steps)) {
            var bench = new StepBench(session, sequences, prompt, steps);
            bench.round();
            List<Step> decodes = bench.begin();
            long within = clock.nanos;
            long began = System.nanoTime();
            decodes.forEach(session::run);
            outside = 1 - (double) (clock.nanos - within) / (System.nanoTime() - began);
        }
        System.out.printf(
                Locale.ROOT,
                "{\"rates\": [%s], \"bytes\": %d, \"outside\": %.4f}%n",
                rates.stream().map("%.1f"::formatted).collect(Collectors.joining(", ")),
                bytes / (steps - 1),
                outside);
    }

    /// @param used what the model calls
    private static Session open(
            Path path, CpuKernels kernels, Kernels used, int sequences, int positions) {
        ModelSource source = ModelSource.open(path);
        ComputeTypes types = source.computeTypes("auto", "auto", kernels.capabilities());
        Shard shard = source.shard(0, 1);
        int blockSize = WorkerConfig.BLOCK_SIZE;
        var settings =
                new LoadSettings(
                        types.compute(),
                        types.kv(),
                        blockSize,
                        positions,
                        LoadSettings.Progress.none());
        int blocks = 1 + sequences * Math.ceilDiv(positions, blockSize);
        long kvBytes = (long) blocks * blockSize * source.kvBytesPerToken(shard, types.kv());
        var rank =
                new Rank(
                        source.load(shard, used, settings),
                        used,
                        new SoloConnector(used),
                        new Rank.RankLimits(positions, blockSize, MAX_TOKENS, kvBytes, false));
        used.attachThread();
        return rank.open(
                new StepRunner.Formation(
                        1,
                        "bench",
                        new byte[0],
                        blocks,
                        sequences,
                        Optional.of(MAX_TOKENS),
                        false,
                        0),
                () -> "");
    }

    private record SoloConnector(Kernels kernels) implements Connector {
        @Override
        public boolean needsOneHost() {
            return true;
        }

        @Override
        public Communicator connect(
                StepRunner.Formation formation, long bytes, Supplier<String> abortReason) {
            return new SoloCommunicator(kernels);
        }
    }

    /// Returns the nanoseconds of the decode steps of all sequences at once.
    private long round() {
        List<Step> decodes = begin();
        long began = System.nanoTime();
        decodes.forEach(session::run);
        return System.nanoTime() - began;
    }

    /// Prefills a prompt for every sequence, in place of those of the last round, and returns the
    /// decode steps that follow.
    private List<Step> begin() {
        long number = session.lastNumber();
        int blocks = Math.ceilDiv(prompt + steps, WorkerConfig.BLOCK_SIZE);
        for (int slot = 0; slot < sequences; slot++) {
            int[] ids = random.ints(prompt, 100, 500).toArray();
            int[] table = new int[blocks];
            for (int i = 0; i < blocks; i++) {
                table[i] = 1 + slot * blocks + i;
            }
            session.run(
                    new Step(
                            session.epoch(),
                            ++number,
                            number > sequences ? new int[] {slot} : NOTHING,
                            List.of(
                                    new Step.Admission(
                                            "r", slot, ids, NOTHING, SamplingSettings.greedy(), 0)),
                            List.of(),
                            List.of(new Step.Row(slot, 0, prompt, List.of(table), List.of()))));
        }
        List<Step> decodes = new ArrayList<>();
        for (int i = 0; i < steps - 1; i++) {
            List<Step.Row> rows = new ArrayList<>();
            for (int slot = 0; slot < sequences; slot++) {
                // No KV group gets new blocks.
                rows.add(new Step.Row(slot, prompt + i, 1, List.of(NOTHING), List.of()));
            }
            decodes.add(new Step(session.epoch(), ++number, NOTHING, List.of(), List.of(), rows));
        }
        return decodes;
    }
}

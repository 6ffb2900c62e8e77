// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import com.sun.management.ThreadMXBean;
import dev.lockstep.checkpoint.KvGroup;
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
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A benchmark of the bare model loop: the steps of a worker in this process, without a scheduler,
/// messages or text. Run by `scripts/bench steps MODEL THREADS SEQUENCES PROMPT STEPS ROUNDS
/// [--expand-latents]`.
///
/// It prints a line of JSON: tokens per second of each round of prefill and of decode steps, and of
/// a decode step the bytes that the step thread allocates and the share of its time outside
/// kernels, the largest that it can be: the clock's own time counts as outside.
final class StepBench {
    private static final int MAX_TOKENS = 512;
    private static final int[] NOTHING = {};

    private final Session session;
    private final int blockTables;
    private final int sequences;
    private final int prompt;
    private final int steps;
    private final Random random = new Random(7);

    /// @param blockTables of a sequence, one for each KV group with blocks
    private StepBench(Session session, int blockTables, int sequences, int prompt, int steps) {
        this.session = session;
        this.blockTables = blockTables;
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
        CpuOptions options = CpuOptions.ofThreads(threads);
        if (words.length > 6 && words[6].equals("--expand-latents")) {
            options = options.expandingLatents();
        }
        int tables = blockTables(model);
        List<Double> prefills = new ArrayList<>();
        List<Double> rates = new ArrayList<>();
        var threadsOf = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long bytes;
        try (CpuKernels kernels = CpuKernels.open(options);
                Session session = open(model, kernels, kernels, sequences, prompt + steps)) {
            var bench = new StepBench(session, tables, sequences, prompt, steps);
            bench.begin().forEach(session::run);
            for (int round = 0; round < rounds; round++) {
                long began = System.nanoTime();
                List<Step> decodes = bench.begin();
                long begun = System.nanoTime();
                decodes.forEach(session::run);
                long done = System.nanoTime();
                prefills.add(sequences * prompt / ((begun - began) / 1e9));
                rates.add(sequences * (steps - 1) / ((done - begun) / 1e9));
            }
            List<Step> decodes = bench.begin();
            long before = threadsOf.getCurrentThreadAllocatedBytes();
            decodes.forEach(session::run);
            bytes = threadsOf.getCurrentThreadAllocatedBytes() - before;
        }
        var clock = new Clock();
        double outside;
        try (CpuKernels kernels = CpuKernels.open(options);
                Session session =
                        open(
                                model,
                                kernels,
                                clock.timed(kernels, Kernels.class),
                                sequences,
                                prompt + steps)) {
            var bench = new StepBench(session, tables, sequences, prompt, steps);
            bench.begin().forEach(session::run);
            List<Step> decodes = bench.begin();
            long within = clock.nanos;
            long began = System.nanoTime();
            decodes.forEach(session::run);
            outside = 1 - (double) (clock.nanos - within) / (System.nanoTime() - began);
        }
        System.out.printf(
                Locale.ROOT,
                "{\"prefill\": [%s], \"rates\": [%s], \"bytes\": %d, \"outside\": %.4f}%n",
                list(prefills),
                list(rates),
                bytes / (steps - 1),
                outside);
    }

    private static String list(List<Double> rates) {
        return rates.stream().map("%.1f"::formatted).collect(Collectors.joining(", "));
    }

    private static int blockTables(Path model) {
        return (int)
                ModelSource.open(model).config().kvGroups().stream()
                        .filter(group -> group.kind() != KvGroup.Kind.STATE)
                        .count();
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
                        new Rank.RankLimits(
                                positions,
                                blockSize,
                                source.promptSpan(used.capabilities()),
                                MAX_TOKENS,
                                kvBytes,
                                false));
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

    /// Prefills a prompt for every sequence, in place of those of the last round, and returns the
    /// decode steps that follow.
    private List<Step> begin() {
        long number = session.lastNumber();
        boolean unused = number == 0;
        int blocks = Math.ceilDiv(prompt + steps, WorkerConfig.BLOCK_SIZE);
        for (int slot = 0; slot < sequences; slot++) {
            int[] ids = random.ints(prompt, 100, 500).toArray();
            int[] table = new int[blocks];
            for (int i = 0; i < blocks; i++) {
                table[i] = 1 + slot * blocks + i;
            }
            for (int from = 0; from < prompt; from += MAX_TOKENS) {
                boolean first = from == 0;
                int count = Math.min(MAX_TOKENS, prompt - from);
                session.run(
                        new Step(
                                session.epoch(),
                                ++number,
                                first && !unused ? new int[] {slot} : NOTHING,
                                first ? List.of(admission(slot, ids)) : List.of(),
                                List.of(),
                                List.of(row(slot, from, count, first ? table : NOTHING))));
            }
        }
        List<Step> decodes = new ArrayList<>();
        for (int i = 0; i < steps - 1; i++) {
            List<Step.Row> rows = new ArrayList<>();
            for (int slot = 0; slot < sequences; slot++) {
                rows.add(row(slot, prompt + i, 1, NOTHING));
            }
            decodes.add(new Step(session.epoch(), ++number, NOTHING, List.of(), List.of(), rows));
        }
        return decodes;
    }

    private static Step.Admission admission(int slot, int[] ids) {
        return new Step.Admission("r", slot, ids, NOTHING, SamplingSettings.greedy(), 0);
    }

    /// @param newBlocks of each block table
    private Step.Row row(int slot, int computed, int count, int[] newBlocks) {
        return new Step.Row(
                slot, computed, count, Collections.nCopies(blockTables, newBlocks), List.of());
    }
}

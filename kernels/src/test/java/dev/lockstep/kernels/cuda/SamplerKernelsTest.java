// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The sampling kernels choose the ids of the CPU's sampler from the same logits.
final class SamplerKernelsTest {
    private static final int SLOTS = 6;
    private static final int TOP = SamplingSettings.MAX_TOP_LOGPROBS;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment word = arena.allocate(32, 8);
    private final TestDevice cpu = new TestDevice(CpuKernels.open(CpuOptions.ofThreads(1)));

    @AfterEach
    void close() {
        cpu.close();
        arena.close();
    }

    @Test
    void idsAndLogprobsAreThoseOfTheCpu() {
        var random = new Random(1);
        for (int vocabulary : new int[] {1, 70, 500, 3000}) {
            var pair = new Pair(vocabulary, 64);
            for (int trial = 0; trial < 12; trial++) {
                for (int slot = 0; slot < SLOTS; slot++) {
                    if (trial % 4 == 0 || random.nextInt(3) == 0) {
                        pair.admit(slot, settings(random, vocabulary), random);
                    }
                }
                pair.sample(logits(random, vocabulary));
            }
        }
        assertEquals(0, word.get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void aLargeVocabularyIsSampledByManyThreads() {
        var random = new Random(2);
        var pair = new Pair(40_000, 256);
        for (int slot = 0; slot < SLOTS; slot++) {
            pair.admit(slot, settings(random, 40_000), random);
        }
        pair.sample(TestValues.normal(random, SLOTS * 40_000));
    }

    @Test
    void scoresAreThoseOfTheCpu() {
        int vocabulary = 300;
        var random = new Random(3);
        float[] logits = TestValues.normal(random, 3 * vocabulary);
        logits[vocabulary + 5] = Float.NaN;
        logits[vocabulary + 6] = Float.POSITIVE_INFINITY;
        int[] targets = {7, 5, 299};
        var pair = new Pair(vocabulary, 64);
        pair.cpuSampler.score(
                cpu.floats(3, vocabulary, logits), cpu.ints(1, 3, targets), 5, pair.expected(3));
        new KernelCall(arena, sampleObject(), "score")
                .view(arena.allocateFrom(ValueLayout.JAVA_FLOAT, logits), 3, vocabulary, vocabulary)
                .pointer(arena.allocateFrom(ValueLayout.JAVA_INT, targets))
                .output(pair.ids)
                .output(pair.logprobs)
                .output(pair.topIds)
                .output(pair.topLogprobs)
                .number((long) TOP)
                .number(5L)
                .report(word)
                .run(new int[] {3, 1, 1}, 64, 4 * 5);
        pair.requireRow(0, true, 5);
        pair.requireRow(1, true, 5);
        pair.requireRow(2, true, 5);
    }

    @Test
    void slotsOutOfRangeOrNotAdmittedAreReported() {
        var pair = new Pair(70, 64);
        pair.admit(2, SamplingSettings.greedy(), new Random(1));
        float[] logits = new float[SLOTS * 70];
        pair.launch(logits, 2, -1, 6, 2, 2, 2);
        requireReported(2, 6, SLOTS);
        assertEquals(-1, pair.ids.getAtIndex(ValueLayout.JAVA_INT, 1), "padding is not written");
        assertEquals(-1, pair.ids.getAtIndex(ValueLayout.JAVA_INT, 2));
        pair.launch(logits, 2, 2, 2, 2, 3, 2);
        requireReported(4, 3, 0);
        new KernelCall(arena, samplerObject(), "sampler_release")
                .sampler(pair.slots, pair.counts, SLOTS, 70)
                .number(2L)
                .run(1, 1);
        pair.launch(logits, -1, -1, -1, 2, -1, -1);
        requireReported(3, 2, 0);

        pair.admit(2, SamplingSettings.greedy(), new Random(1));
        MemorySegment ids = arena.allocateFrom(ValueLayout.JAVA_INT, 5, -3, -1, 70);
        ids("sampler_resolve", pair, arena.allocate(16), ids);
        requireReported(2, 0, 0);
        ids.setAtIndex(ValueLayout.JAVA_INT, 1, 9);
        ids("sampler_record", pair, arena.allocateFrom(ValueLayout.JAVA_INT, 2, -1, -1, 2), ids);
        requireReported(3, 70, 70);
        ids = arena.allocateFrom(ValueLayout.JAVA_INT, 5, -3, 0, 8);
        ids("sampler_resolve", pair, arena.allocate(16), ids);
        assertArrayEquals(new int[] {5, 5, 0, 8}, ids.toArray(ValueLayout.JAVA_INT));
    }

    private void ids(String kernel, Pair pair, MemorySegment slots, MemorySegment ids) {
        new KernelCall(arena, samplerObject(), kernel)
                .sampler(pair.slots, pair.counts, SLOTS, pair.vocabulary)
                .pointer(slots)
                .output(ids)
                .number(ids.byteSize() / 4)
                .report(word)
                .run(1, 64);
    }

    private void requireReported(long index, long value, long limit) {
        assertArrayEquals(
                new long[] {1 | 7L << 32, index, value, limit},
                word.toArray(ValueLayout.JAVA_LONG));
        word.fill((byte) 0);
    }

    private static EmulatedObject sampleObject() {
        return EmulatedObject.of("sample.cu");
    }

    private static EmulatedObject samplerObject() {
        return EmulatedObject.of("sampler.cu");
    }

    private static float[] logits(Random random, int vocabulary) {
        float[] logits = TestValues.normal(random, SLOTS * vocabulary);
        for (int i = 0; i < logits.length; i++) {
            int kind = random.nextInt(400);
            // Whole numbers in some rows, so that many are tied.
            logits[i] =
                    i / vocabulary % 3 == 1
                            ? Math.round(2 * logits[i])
                            : logits[i] * (1 + kind % 4);
            logits[i] =
                    switch (kind) {
                        case 0 -> Float.NaN;
                        case 1 -> Float.NEGATIVE_INFINITY;
                        case 2 -> -0.0f;
                        case 3 -> random.nextInt(9) == 0 ? Float.POSITIVE_INFINITY : 1e30f;
                        default -> logits[i];
                    };
        }
        return logits;
    }

    private static SamplingSettings settings(Random random, int vocabulary) {
        Map<Integer, Float> biases = new HashMap<>();
        for (int i = random.nextInt(4); i > 0; i--) {
            biases.put(random.nextInt(vocabulary), 4 * random.nextFloat() - 2);
        }
        boolean penalties = random.nextBoolean();
        return SamplingSettings.builder()
                .temperature(random.nextInt(5) == 0 ? 0 : 0.2f + 2 * random.nextFloat())
                .topP(random.nextBoolean() ? 1 : 0.05f + 0.9f * random.nextFloat())
                .topK(random.nextBoolean() ? 0 : 1 + random.nextInt(vocabulary))
                .minP(random.nextInt(3) > 0 ? 0 : 0.3f * random.nextFloat())
                .typicalP(random.nextInt(3) > 0 ? 1 : 0.1f + 0.8f * random.nextFloat())
                .repetitionPenalty(penalties ? 0.7f + random.nextFloat() : 1)
                .frequencyPenalty(penalties ? random.nextFloat() - 0.3f : 0)
                .presencePenalty(penalties ? random.nextFloat() : 0)
                .logitBias(biases)
                .seed(random.nextLong())
                .choice(random.nextInt(3))
                .minTokens(random.nextInt(6))
                .maskedIds(new int[] {random.nextInt(vocabulary), 0})
                .logprobs(random.nextBoolean())
                .topLogprobs(random.nextInt(3) == 0 ? random.nextInt(TOP + 1) : 0)
                .build();
    }

    /// The CPU's sampler and the kernels' state, with the same slots.
    private final class Pair {
        private final int vocabulary;
        private final int threads;
        private final Sampler cpuSampler;
        private final MemorySegment slots = arena.allocate(120L * SLOTS, 8);
        private final MemorySegment counts;
        private final SamplingSettings[] settings = new SamplingSettings[SLOTS];
        private final MemorySegment ids = arena.allocate(4L * SLOTS, 8);
        private final MemorySegment logprobs = arena.allocate(4L * SLOTS, 8);
        private final MemorySegment topIds = arena.allocate(4L * SLOTS * TOP, 8);
        private final MemorySegment topLogprobs = arena.allocate(4L * SLOTS * TOP, 8);
        private final Samples samples;

        Pair(int vocabulary, int threads) {
            this.vocabulary = vocabulary;
            this.threads = threads;
            cpuSampler = cpu.kernels().sampler(SLOTS, vocabulary);
            cpu.atClose(cpuSampler::close);
            counts = arena.allocate(4L * SLOTS * vocabulary, 8).fill((byte) 0xff);
            DeviceBuffer buffer = cpu.kernels().allocate(Samples.bytes(SLOTS));
            cpu.atClose(buffer::close);
            samples = Samples.in(buffer, 0, SLOTS);
        }

        Samples expected(int rows) {
            return samples.rows(rows);
        }

        void admit(int slot, SamplingSettings admitted, Random random) {
            settings[slot] = admitted;
            int[] prompt = random.ints(random.nextInt(9), 0, vocabulary).toArray();
            int[] outputs = random.ints(random.nextInt(9), 0, vocabulary).toArray();
            cpuSampler.admit(slot, admitted, prompt, outputs);
            int[] all = IntStream.concat(IntStream.of(prompt), IntStream.of(outputs)).toArray();
            var sorted = new TreeMap<Integer, Float>(admitted.logitBias());
            int[] biased = sorted.keySet().stream().mapToInt(i -> i).toArray();
            float[] biases = new float[biased.length];
            int next = 0;
            for (float bias : sorted.values()) {
                biases[next++] = bias;
            }
            boolean penalties =
                    admitted.repetitionPenalty() != 1
                            || admitted.frequencyPenalty() != 0
                            || admitted.presencePenalty() != 0;
            new KernelCall(arena, samplerObject(), "sampler_admit")
                    .sampler(slots, counts, SLOTS, vocabulary)
                    .number(1.0 / admitted.temperature())
                    .number(
                            admitted.minP() == 0
                                    ? Double.POSITIVE_INFINITY
                                    : -StrictMath.log(admitted.minP()))
                    .number(admitted.seed())
                    .pointer(ints(admitted.maskedIds()))
                    .pointer(ints(biased))
                    .pointer(arena.allocateFrom(ValueLayout.JAVA_FLOAT, biases))
                    .number(admitted.temperature())
                    .number(admitted.topP())
                    .number(admitted.typicalP())
                    .number(admitted.repetitionPenalty())
                    .number(admitted.frequencyPenalty())
                    .number(admitted.presencePenalty())
                    .number(admitted.topK())
                    .number(admitted.choice())
                    .number(admitted.minTokens())
                    .number(admitted.maskedIds().length)
                    .number(biased.length)
                    .number(penalties ? 1 : 0)
                    .number(admitted.logprobs() ? 1 : 0)
                    .number(admitted.topLogprobs())
                    .number(0)
                    .number(outputs.length)
                    .number(all.length == 0 ? 0 : all[all.length - 1])
                    .number(0)
                    .pointer(ints(prompt))
                    .pointer(ints(outputs))
                    .number(prompt.length)
                    .number(outputs.length)
                    .number(slot)
                    .number(0)
                    .run(1, threads);
        }

        /// Samples a row for each slot, compares, and records what was chosen.
        void sample(float[] logits) {
            int[] all = IntStream.range(0, SLOTS).toArray();
            Tensor device = cpu.floats(SLOTS, vocabulary, logits);
            cpuSampler.sample(device, cpu.ints(1, SLOTS, all), samples);
            launch(logits, all);
            for (int row = 0; row < SLOTS; row++) {
                boolean measured = settings[row].logprobs() || settings[row].topLogprobs() > 0;
                requireRow(row, measured, settings[row].topLogprobs());
            }
            cpuSampler.record(cpu.ints(1, SLOTS, all), samples.ids());
            ids("sampler_record", this, ints(all), ids);
        }

        void launch(float[] logits, int... rows) {
            for (MemorySegment each : new MemorySegment[] {ids, logprobs, topIds, topLogprobs}) {
                each.fill((byte) 0xff);
            }
            new KernelCall(arena, sampleObject(), "sample")
                    .sampler(slots, counts, SLOTS, vocabulary)
                    .view(
                            arena.allocateFrom(ValueLayout.JAVA_FLOAT, logits),
                            SLOTS,
                            vocabulary,
                            vocabulary)
                    .pointer(ints(rows))
                    .output(ids)
                    .output(logprobs)
                    .output(topIds)
                    .output(topLogprobs)
                    .number((long) TOP)
                    .report(word)
                    .run(new int[] {rows.length, 1, 1}, threads, 4 * ((vocabulary + 63) / 64));
        }

        void requireRow(int row, boolean measured, int top) {
            String what = "row %d of %d: %s".formatted(row, vocabulary, settings[row]);
            int expected = cpu.ints(samples.ids())[row];
            assertEquals(expected, ids.getAtIndex(ValueLayout.JAVA_INT, row), what);
            float logprob = logprobs.getAtIndex(ValueLayout.JAVA_FLOAT, row);
            if (measured) {
                assertEquals(cpu.floats(samples.logprobs())[row], logprob, what);
            } else {
                assertTrue(Float.isNaN(logprob), what);
            }
            for (int i = row * TOP; i < row * TOP + top; i++) {
                assertEquals(
                        cpu.ints(samples.topIds())[i],
                        topIds.getAtIndex(ValueLayout.JAVA_INT, i),
                        what);
                assertEquals(
                        cpu.floats(samples.topLogprobs())[i],
                        topLogprobs.getAtIndex(ValueLayout.JAVA_FLOAT, i),
                        what);
            }
        }

        private MemorySegment ints(int... values) {
            return arena.allocateFrom(ValueLayout.JAVA_INT, values);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.TestValues;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The sampler of the emulated device, or of a machine's own, chooses the ids of the CPU's from the
/// same logits, settings and seeds, and measures the same log-probabilities.
@Tag("gpu")
@Tag("processes")
final class CudaSamplerTwinTest {
    private static final int SLOTS = 6;
    private static final int[] ALL = IntStream.range(0, SLOTS).toArray();
    private static final int TOP = SamplingSettings.MAX_TOP_LOGPROBS;

    @Test
    void idsAndLogprobsAreThoseOfTheCpu() {
        var random = new Random(1);
        for (int vocabulary : new int[] {1, 70, 500, 3000}) {
            try (var twins = new SamplerTwins(SLOTS, vocabulary, SLOTS)) {
                for (int trial = 0; trial < 24; trial++) {
                    for (int slot : ALL) {
                        if (trial % 6 == 0 || random.nextInt(4) == 0) {
                            admit(twins, slot, random, vocabulary);
                        }
                    }
                    twins.step(ALL, logits(random, vocabulary));
                }
            }
        }
    }

    @Test
    void aLargeVocabularyIsSampledByManyThreads() {
        int vocabulary = 50_257;
        var random = new Random(2);
        try (var twins = new SamplerTwins(SLOTS, vocabulary, SLOTS)) {
            for (int slot : ALL) {
                admit(twins, slot, random, vocabulary);
            }
            twins.step(ALL, TestValues.normal(random, SLOTS * vocabulary));
        }
    }

    @Test
    void scoresAreThoseOfTheCpu() {
        int vocabulary = 300;
        var random = new Random(3);
        try (var twins = new SamplerTwins(1, vocabulary, SLOTS)) {
            for (int top : new int[] {0, 5, TOP}) {
                float[] logits = logits(random, vocabulary);
                logits[vocabulary + 5] = Float.NaN;
                logits[vocabulary + 6] = Float.POSITIVE_INFINITY;
                twins.score(new int[] {7, 5, 299, 0, 1, 2}, top, logits);
            }
        }
    }

    /// A decode step is recorded once. The values of its tensors, the padding, and the sequences in
    /// the slots change from launch to launch.
    @Test
    void aRecordedStepFollowsLogitsSlotsAndSequences() {
        int vocabulary = 200;
        var random = new Random(4);
        try (var twins = new SamplerTwins(SLOTS, vocabulary, SLOTS)) {
            for (int slot : ALL) {
                admit(twins, slot, random, vocabulary);
            }
            twins.step(ALL, logits(random, vocabulary));
            int[][] steps = {
                {0, 1, 2, 3, 4, 5},
                {5, 4, -1, 2, -1, 0},
                {-1, -1, -1, -1, -1, -1},
                {3, 1, 4, -1, 5, -1},
                {3, 1, 4, -1, 5, -1}
            };
            try (Recording step = twins.recordStep()) {
                for (int[] slots : steps) {
                    twins.step(step, slots, logits(random, vocabulary));
                    int slot = random.nextInt(SLOTS);
                    twins.release(slot);
                    admit(twins, slot, random, vocabulary);
                }
            }
            twins.step(ALL, logits(random, vocabulary));
        }
    }

    /// On the emulated device work runs only when it is waited for: a slot is assigned again before
    /// the device has begun the step that samples its first sequence.
    @Test
    void aStepInFlightKeepsTheSequenceOfItsSlot() {
        int vocabulary = 100;
        var random = new Random(5);
        float[] logits = TestValues.normal(random, SLOTS * vocabulary);
        try (var twins = new SamplerTwins(SLOTS, vocabulary, SLOTS)) {
            holdWork(true);
            try {
                for (int slot : ALL) {
                    twins.admit(slot, penalized(slot), new int[] {1, 2, 3}, new int[0]);
                }
                twins.launch(ALL, logits);
                for (int slot : ALL) {
                    twins.release(slot);
                    twins.admit(slot, penalized(slot + 1), new int[] {4, slot}, new int[] {5});
                }
                twins.compare();
                twins.step(ALL, logits);
            } finally {
                holdWork(false);
            }
        }
    }

    private static void holdWork(boolean hold) {
        if (CudaUnderTest.isEmulated()) {
            EmulatedCuda.holdWork(hold);
        }
    }

    @Test
    void thePromptMayBeLongerThanOneCopy() {
        int vocabulary = 3000;
        var random = new Random(6);
        int[] prompt = random.ints(300_000, 0, vocabulary / 2).toArray();
        int[] outputs = random.ints(40_000, 0, vocabulary / 3).toArray();
        try (var twins = new SamplerTwins(1, vocabulary, 1)) {
            twins.admit(
                    0, penalized(1).toBuilder().frequencyPenalty(0.01f).build(), prompt, outputs);
            for (int trial = 0; trial < 5; trial++) {
                twins.step(new int[] {0}, TestValues.normal(random, vocabulary));
            }
        }
    }

    @Test
    void asManyBiasesAsThereMayBe() {
        int vocabulary = 1500;
        var random = new Random(7);
        Map<Integer, Float> biases = new HashMap<>();
        while (biases.size() < SamplingSettings.MAX_BIASES) {
            biases.put(random.nextInt(vocabulary), 4 * random.nextFloat() - 2);
        }
        SamplingSettings.Builder settings = SamplingSettings.builder().logitBias(biases);
        try (var twins = new SamplerTwins(2, vocabulary, 2)) {
            twins.admit(0, settings.build(), new int[0], new int[0]);
            twins.admit(1, settings.temperature(1).build(), new int[0], new int[0]);
            for (int trial = 0; trial < 5; trial++) {
                twins.step(new int[] {0, 1}, TestValues.normal(random, 2 * vocabulary));
            }
        }
        for (int id = 0; id < vocabulary; id++) {
            biases.put(id, 1f);
        }
        assertEquals(
                "the number of entries of logit_bias is 1500, must be at most 1024",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> settings.logitBias(biases).build())
                        .getMessage());
    }

    @Test
    void admissionAllocatesNothingAndIsRefusedInARecording() {
        int vocabulary = 100;
        var random = new Random(8);
        try (var twins = new SamplerTwins(SLOTS, vocabulary, SLOTS)) {
            Kernels kernels = twins.cuda().kernels();
            long bytes = kernels.allocatedBytes();
            for (int trial = 0; trial < 20; trial++) {
                admit(twins, trial % SLOTS, random, vocabulary);
            }
            assertEquals(bytes, kernels.allocatedBytes());
            kernels.record(
                            () ->
                                    assertThrows(
                                            IllegalStateException.class,
                                            () -> twins.admitOnCuda(0, penalized(1))))
                    .orElseThrow()
                    .close();
            twins.step(ALL, logits(random, vocabulary));
        }
    }

    private static void admit(SamplerTwins twins, int slot, Random random, int vocabulary) {
        twins.admit(
                slot,
                settings(random, vocabulary),
                random.ints(random.nextInt(9), 0, vocabulary).toArray(),
                random.ints(random.nextInt(9), 0, vocabulary).toArray());
    }

    private static SamplingSettings penalized(long seed) {
        return SamplingSettings.builder()
                .temperature(0.8f)
                .topP(0.9f)
                .repetitionPenalty(1.3f)
                .presencePenalty(0.5f)
                .seed(seed)
                .logprobs(true)
                .build();
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
                .minTokens(random.nextInt(16))
                .maskedIds(new int[] {random.nextInt(vocabulary), 0})
                .logprobs(random.nextBoolean())
                .topLogprobs(random.nextInt(3) == 0 ? random.nextInt(TOP + 1) : 0)
                .build();
    }
}

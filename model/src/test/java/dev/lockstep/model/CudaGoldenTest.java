// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Every family on CUDA devices, eager and by recordings, against logits and greedy ids recorded
/// from transformers in f32. Emulated devices are slow: several ranks and stored types are samples
/// unless the run is a long one.
@Tag("gpu")
@Tag("processes")
final class CudaGoldenTest {
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    /// Of two of the four prompts of each model.
    private static final int LONG_PROMPT = 32;

    static final Set<String> KINDS =
            Set.of(
                    "awq-64",
                    "bnb-fp4-64",
                    "bnb-nf4-64",
                    "ct-mxfp4",
                    "ct-nvfp4-128",
                    "ct-w4a16-channel-256",
                    "ct-w8a8",
                    "ct-w8a16-asym",
                    "fp8-blocks-64",
                    "gguf-grids",
                    "gptq-act-order",
                    "gptq-act-order-64",
                    "gptq-8-asym-64",
                    "mlx",
                    "mlx-64");

    static List<Arguments> ranks() {
        var ranks = new ArrayList<Arguments>();
        for (String each :
                LONG ? FamilyGoldenTest.FAMILIES : List.of("llama", "olmo2", "granite")) {
            ranks.add(Arguments.of(each, 2));
        }
        for (String each :
                LONG
                        ? List.of("llama", "qwen3", "gemma3", "mixtral")
                        : List.of("gemma3", "mixtral")) {
            ranks.add(Arguments.of(each, 3));
        }
        return ranks;
    }

    static List<String> storedTypes() {
        return LONG
                ? List.of(
                        "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K",
                        "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL")
                : List.of("BF16", "Q4_1", "Q2_K", "Q6_K", "IQ4_NL");
    }

    @ParameterizedTest
    @FieldSource("dev.lockstep.model.FamilyGoldenTest#FAMILIES")
    void oneRankGivesTheRecordedLogitsAndIds(String name) throws Exception {
        requireGoldens(name, 1);
    }

    @ParameterizedTest
    @MethodSource("ranks")
    @Tag("ranks")
    void severalRanksGiveTheRecordedLogitsAndIds(String name, int ranks) throws Exception {
        requireGoldens(name, ranks);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3-moe", "qwen3-next"})
    void aRecordedStepGivesTheBitsOfTheSameStepRunEagerly(String name) throws Exception {
        Path folder = Fixtures.require("models/" + name);
        Goldens.Case golden = FamilyGoldenTest.goldens(name).cases().getFirst();
        try (TestGroup group = TestGroup.load(folder, 1, "f32", "f32", new CudaRanks())) {
            int prompt = golden.prompt().length;
            int[] blocks = TestGroup.blocks(1, prompt + golden.greedy().length);
            float[][] eager = new float[golden.greedy().length][];
            for (TestGroup.Step run : List.<TestGroup.Step>of(group::forward, group::replay)) {
                group.forward(List.of(new TestGroup.Row(golden.prompt(), 0, blocks)));
                for (int i = 0; i < eager.length; i++) {
                    int[] last = {golden.greedy()[i]};
                    float[] logits =
                            run.run(List.of(new TestGroup.Row(last, prompt + i, blocks)))[0];
                    if (eager[i] == null) {
                        eager[i] = logits;
                    } else {
                        assertArrayEquals(eager[i], logits);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"BF16", "F16", "F32"})
    void llamaInBf16StaysWithinTheBoundsOfItsRounding(String type) throws Exception {
        Path file = Fixtures.require("gguf/llama-" + type + ".gguf");
        try (TestGroup group = TestGroup.load(file, 1, "bf16", "bf16", new CudaRanks())) {
            for (Goldens.Case golden : GgufGoldenTest.goldens(type).cases()) {
                GgufGoldenTest.assertNear(golden.logits(), GgufGoldenTest.logits(group, golden));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("storedTypes")
    void everyStoredTypeAtF32GivesTheRecordedLogitsAndIds(String type) throws Exception {
        Path file = Fixtures.require("gguf/llama-" + type + ".gguf");
        try (TestGroup group = TestGroup.load(file, 1, "f32", "f32", new CudaRanks())) {
            for (Goldens.Case golden : GgufGoldenTest.goldens(type).cases()) {
                float[][] logits = GgufGoldenTest.logits(group, golden);
                FamilyGoldenTest.assertClose(golden.logits(), logits);
                assertEquals(golden.greedy()[0], TestGroup.argMax(logits[logits.length - 1]));
                requireContinuation(group::replay, golden);
            }
        }
    }

    /// One of each kind of matrix; all recorded ones in a long run.
    static List<Path> quantizedFolders() throws Exception {
        return QuantizedGoldenTest.models().stream()
                .filter(folder -> LONG || KINDS.contains(QuantizedGoldenTest.name(folder)))
                .toList();
    }

    /// They are decoded to the compute type, with columns in the order of the inputs, and inputs
    /// are not rounded.
    @ParameterizedTest
    @MethodSource("quantizedFolders")
    void quantizedMatricesGiveTheLogitsOfTheirWeights(Path folder) throws Exception {
        Path model = QuantizedGoldenTest.model(folder);
        try (TestGroup group = TestGroup.load(model, 1, "f32", "f32", new CudaRanks())) {
            for (Goldens.Case golden : QuantizedGoldenTest.goldens(folder).cases()) {
                float[][] logits = GgufGoldenTest.logits(group, golden);
                if (QuantizedGoldenTest.isRounded(folder)) {
                    new QuantizedReference(model).requireOfExactWeights(golden.prompt(), logits);
                } else {
                    FamilyGoldenTest.assertClose(golden.logits(), logits);
                }
            }
        }
    }

    private static void requireGoldens(String name, int ranks) throws Exception {
        Path folder = Fixtures.require("models/" + name);
        requireGoldens(name, folder, FamilyGoldenTest.goldens(name), ranks);
    }

    /// Requires the recorded logits of prompts, and the recorded ids of eager steps and of
    /// recordings. What a batch has besides does not depend on the number of ranks.
    static void requireGoldens(String name, Path model, Goldens goldens, int ranks)
            throws Exception {
        CudaUnderTest.assumeRanks(ranks);
        boolean whole = LONG || ranks == 1;
        try (TestGroup group = TestGroup.load(model, ranks, "f32", "f32", new CudaRanks())) {
            boolean states = group.model().config().stateGroup().isPresent();
            // The keys that one kind of steps has stored hide those that the other one does not.
            List<TestGroup.Step> steps = List.of(group::forward, group::replay);
            for (Goldens.Case golden : goldens.cases()) {
                FamilyGoldenTest.requireLogits(name, group, golden);
                if (whole || golden.prompt().length > LONG_PROMPT) {
                    for (TestGroup.Step step : steps) {
                        requireContinuation(step, golden);
                        if (states) {
                            FamilyGoldenTest.requireLogits(name, group, golden);
                        }
                    }
                }
                steps = steps.reversed();
            }
            if (whole) {
                AnyBatch.requireRecorded(group, goldens, (float) FamilyGoldenTest.tolerance(name));
            }
        }
    }

    /// Requires the recorded ids of a prompt that was computed in the first blocks.
    private static void requireContinuation(TestGroup.Step step, Goldens.Case golden)
            throws Exception {
        int prompt = golden.prompt().length;
        int[] expected = golden.greedy();
        int[] ids = expected.clone();
        int[] blocks = TestGroup.blocks(1, prompt + ids.length);
        for (int i = 1; i < ids.length; i++) {
            int[] last = {ids[i - 1]};
            var row = new TestGroup.Row(last, prompt + i - 1, blocks);
            ids[i] = TestGroup.argMax(step.run(List.of(row))[0]);
        }
        assertArrayEquals(expected, ids);
    }
}

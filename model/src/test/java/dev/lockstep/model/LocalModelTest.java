// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LocalModelTest {
    private static final int[] IDS = {5, 77, 12, 130, 9, 41};

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama",
                "mistral-swa",
                "gemma3",
                "qwen3-moe",
                "gpt-oss",
                "deepseek-v3",
                "qwen3-next"
            })
    void logitsOfEveryPositionAreTheRecordedOnes(String family) {
        Path path = Fixtures.require("models/" + family);
        Goldens goldens =
                Goldens.of(
                        Goldens.json(path.resolve("golden.json")),
                        path.resolve("golden-logits.safetensors"),
                        "");
        try (LocalModel model = load(path, kernels(), 128)) {
            for (Goldens.Case golden : goldens.cases()) {
                model.run(golden.prompt());
                float[][] logits = model.logits(0, golden.prompt().length);
                for (int i = 0; i < logits.length; i++) {
                    assertArrayEquals(golden.logits()[i], logits[i], 1e-4f, "position " + i);
                }
            }
        }
    }

    @Test
    void aTextDoesNotSeeTheOneBeforeIt() throws Exception {
        TinyModel.llama("LlamaForCausalLM").write(folder);
        try (LocalModel model = load(folder, kernels(), 64)) {
            model.run(IDS);
            float[][] first = model.logits(0, IDS.length);
            model.run(Arrays.copyOf(new int[] {150, 3, 8}, 40));
            model.run(IDS);
            assertArrayEquals(first, model.logits(0, IDS.length));
            assertArrayEquals(first[3], model.logits(3, 4)[0]);
        }
    }

    @Test
    void aTextOrPositionBeyondItsLimitIsRefused() throws Exception {
        TinyModel.llama("LlamaForCausalLM").write(folder);
        try (LocalModel model = load(folder, kernels(), 4)) {
            assertEquals(
                    "6 tokens, must be 1 to 4",
                    assertThrows(IllegalArgumentException.class, () -> model.run(IDS))
                            .getMessage());
            model.run(Arrays.copyOf(IDS, 4));
            assertEquals(
                    "tokens [2, 5) of 4",
                    assertThrows(IllegalArgumentException.class, () -> model.logits(2, 5))
                            .getMessage());
        }
    }

    @Test
    void anObserverSeesTheProductsOfAModelWithoutAnOutputHead() throws Exception {
        TinyModel.llama("LlamaModel").without("lm_head.weight").write(folder);
        Kernels target = kernels();
        List<String> seen = new ArrayList<>();
        var observed = new ObservedProducts(target, (weights, _) -> seen.add(weights.toString()));
        try (LocalModel model = load(folder, observed.kernels(), 64)) {
            model.run(IDS);
        }
        assertEquals(4 * TinyModel.LAYERS, seen.size(), seen::toString);
    }

    @Test
    void anObserverSeesTheInputOfEveryProduct() throws Exception {
        TinyModel.llama("LlamaForCausalLM").write(folder);
        List<String> seen = new ArrayList<>();
        Kernels target = kernels();
        var observed =
                new ObservedProducts(
                        target,
                        (weights, x) -> seen.add(weights + " " + x.rows() + " x " + x.columns()));
        float[][] logits;
        try (LocalModel model = load(folder, observed.kernels(), 64)) {
            model.run(IDS);
            logits = model.logits(0, IDS.length);
        }
        try (LocalModel model = load(folder, kernels(), 64)) {
            model.run(IDS);
            assertArrayEquals(model.logits(0, IDS.length), logits);
        }
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < TinyModel.LAYERS; i++) {
            String layer = "model.layers." + i;
            expected.add(
                    "[%1$s.self_attn.q_proj.weight, %1$s.self_attn.k_proj.weight, %1$s.self_attn.v_proj.weight] 6 x 64"
                            .formatted(layer));
            expected.add("[%s.self_attn.o_proj.weight] 6 x 64".formatted(layer));
            expected.add(
                    "[%1$s.mlp.gate_proj.weight, %1$s.mlp.up_proj.weight] 6 x 64".formatted(layer));
            expected.add("[%s.mlp.down_proj.weight] 6 x 96".formatted(layer));
        }
        // The last position's logits come with the text, all of them when they are requested.
        expected.add("[lm_head.weight] 1 x 64");
        expected.add("[lm_head.weight] 6 x 64");
        assertEquals(expected, seen);
    }

    /// The inputs of an expert are those of the tokens that chose it, and those of its last matrix
    /// are what its first ones give.
    @ParameterizedTest
    @ValueSource(strings = {"models/mixtral", "models/qwen3-moe"})
    void anObserverSeesTheInputsOfExperts(String name) {
        Path path = Fixtures.require(name);
        Kernels target = kernels();
        Map<String, float[]> inputs = new TreeMap<>();
        var observed =
                new ObservedProducts(
                        target,
                        (weights, x) ->
                                weights.forEach(
                                        each ->
                                                inputs.put(
                                                        each, ObservedProducts.values(target, x))));
        try (LocalModel model = load(path, observed.kernels(), 64)) {
            model.run(IDS);
        }
        Checkpoint checkpoint = Checkpoint.open(path);
        int hidden = checkpoint.config().hiddenSize();
        int products = 0;
        int tokens = 0;
        String router = "";
        for (String layer : List.of("model.layers.0.", "model.layers.2.")) {
            for (String weight : inputs.keySet()) {
                if (weight.startsWith(layer) && weight.matches(".*(mlp|moe)\\.gate\\.weight")) {
                    router = weight;
                }
            }
            float[] all = Objects.requireNonNull(inputs.get(router));
            for (String gate : List.copyOf(inputs.keySet())) {
                if (!gate.startsWith(layer)
                        || !gate.matches(".*experts\\.\\d\\.(gate_proj|w1)\\.weight")) {
                    continue;
                }
                String up = gate.replace("gate_proj", "up_proj").replace("w1", "w3");
                String down = gate.replace("gate_proj", "down_proj").replace("w1", "w2");
                float[] x = Objects.requireNonNull(inputs.get(gate));
                float[] inner = Objects.requireNonNull(inputs.get(down));
                assertArrayEquals(x, inputs.get(up));
                tokens += x.length / hidden;
                for (int t = 0; t < x.length / hidden; t++) {
                    float[] row = Arrays.copyOfRange(x, t * hidden, (t + 1) * hidden);
                    assertTrue(isRowOf(all, row), () -> gate + " has an input of its own");
                    products += checkProduct(checkpoint, gate, up, row, inner, t);
                }
            }
        }
        assertEquals(2 * 2 * IDS.length, tokens);
        assertTrue(products > 0);
    }

    private static boolean isRowOf(float[] all, float[] row) {
        for (int i = 0; i < all.length; i += row.length) {
            if (Arrays.equals(all, i, i + row.length, row, 0, row.length)) {
                return true;
            }
        }
        return false;
    }

    /// Compares row t of the input of `down` with what gate and up give; returns its columns.
    private static int checkProduct(
            Checkpoint checkpoint, String gate, String up, float[] x, float[] down, int t) {
        WeightMatrix gateRows = checkpoint.tensor(gate);
        WeightMatrix upRows = checkpoint.tensor(up);
        for (int i = 0; i < gateRows.rows(); i++) {
            double g = dot(gateRows, i, x);
            double expected = g / (1 + Math.exp(-g)) * dot(upRows, i, x);
            assertEquals(expected, down[t * gateRows.rows() + i], 1e-4);
        }
        return gateRows.rows();
    }

    private static double dot(WeightMatrix matrix, int row, float[] x) {
        double sum = 0;
        for (int c = 0; c < x.length; c++) {
            sum +=
                    (double) x[c]
                            * matrix.data()
                                    .get(
                                            ValueLayout.JAVA_FLOAT_UNALIGNED,
                                            4L * ((long) row * x.length + c));
        }
        return sum;
    }

    private static Kernels kernels() {
        return CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
    }

    private static LocalModel load(Path path, Kernels kernels, int maxTokens) {
        return LocalModel.load(
                ModelSource.open(path), kernels, maxTokens, LoadSettings.Progress.none());
    }
}

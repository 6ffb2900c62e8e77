// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
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

    private static Kernels kernels() {
        return CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
    }

    private static LocalModel load(Path path, Kernels kernels, int maxTokens) {
        return LocalModel.load(
                ModelSource.open(path), kernels, maxTokens, LoadSettings.Progress.none());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TransientWeightsTest {
    private static final int[] IDS = {5, 77, 12, 30, 9, 41, 80, 3};

    @ParameterizedTest
    @ValueSource(
            strings = {
                "models/llama",
                "models/mixtral",
                "models/gpt2",
                "models/deepseek-v3",
                "models/qwen3-next",
                "models/gpt-oss",
                "references/gemma3n",
                "quantized/awq"
            })
    void aModelWhoseLayersArePackedLateHasTheSameLogitsAndInputs(String name) throws Exception {
        Path path =
                name.startsWith("models/")
                        ? Fixtures.require(name)
                        : Path.of(
                                Objects.requireNonNull(getClass().getResource("/" + name)).toURI());
        List<String> expectedInputs = new ArrayList<>();
        float[][] expected = logits(path, kernels(), expectedInputs);
        for (long limit : new long[] {0, 1, 100_000}) {
            List<String> inputs = new ArrayList<>();
            Kernels late =
                    TransientWeights.kernels(
                            kernels(), TransientWeightsTest::kernels, limit, () -> {});
            assertArrayEquals(expected, logits(path, late, inputs));
            assertEquals(expectedInputs, inputs);
        }
    }

    @Test
    void noMoreThanTheLimitAndALayerIsPackedAtOnce() {
        Path path = Fixtures.require("models/llama");
        var whole = new PackedBytes();
        whole.run(path, Long.MAX_VALUE);
        var late = new PackedBytes();
        late.run(path, 0);
        int layers = ModelSource.open(path).config().layerCount();
        // Layers are alike; the head is smaller than two of them.
        assertTrue(
                late.most <= whole.most * 2 / layers,
                () -> "%d of %d bytes, %d layers".formatted(late.most, whole.most, layers));
        var half = new PackedBytes();
        half.run(path, whole.most / 2);
        assertTrue(half.most > late.most && half.most < whole.most, () -> half.most + " bytes");
        assertEquals(0, whole.now + late.now + half.now);
        assertEquals(List.of(0, 1, 1), List.of(whole.notices, late.notices, half.notices));
    }

    /// The bytes of packed weights, now and at most.
    private static final class PackedBytes {
        private long now;
        private long most;
        private int notices;

        void run(Path path, long limit) {
            try (LocalModel model =
                    load(
                            path,
                            TransientWeights.kernels(
                                    counting(), this::counting, limit, () -> notices++))) {
                model.run(IDS);
                model.run(IDS);
            }
        }

        private Kernels counting() {
            Kernels target = kernels();
            var own = new long[1];
            return Delegation.of(
                    Kernels.class,
                    (_, method, arguments) -> {
                        Object result = Delegation.pass(target, method, arguments);
                        if (result instanceof PackedWeight weight) {
                            own[0] += weight.bytes();
                            now += weight.bytes();
                            most = Math.max(most, now);
                        } else if (method.getName().equals("close")) {
                            now -= own[0];
                        }
                        return result;
                    });
        }
    }

    private static float[][] logits(Path path, Kernels kernels, List<String> inputs) {
        var observed =
                new ObservedProducts(
                        kernels,
                        (weights, x) ->
                                inputs.add(
                                        weights
                                                + Arrays.toString(
                                                        ObservedProducts.values(kernels, x))));
        try (LocalModel model = load(path, observed.kernels())) {
            model.run(IDS);
            return model.logits(0, IDS.length);
        }
    }

    private static LocalModel load(Path path, Kernels kernels) {
        return LocalModel.load(ModelSource.open(path), kernels, 64, LoadSettings.Progress.none());
    }

    private static Kernels kernels() {
        return CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
    }
}

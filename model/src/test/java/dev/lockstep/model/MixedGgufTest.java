// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// GGUF files whose matrices have many types, also those packed into one weight, against the same
/// model with every weight dequantized.
class MixedGgufTest {
    private static final int[] PROMPT = {5, 90, 17, 3, 64, 12, 12, 41};

    /// The logits have a standard deviation of about 1.2. Rounding the inputs of 15 products to 8
    /// bits moves each of the 768 by at most 0.29 (measured); a wrong scale, order or cut moves
    /// many by more than 1.
    private static final float LARGEST_DIFFERENCE = 0.5f;

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void matricesOfEveryTypeGiveTheLogitsOfTheirDequantizedWeights(int ranks) throws Exception {
        List<TensorType> types = new ArrayList<>(List.of(TensorType.values()));
        types.removeAll(
                List.of(
                        TensorType.Q4_OFFSET,
                        TensorType.Q4_ZERO,
                        TensorType.Q8_OFFSET,
                        TensorType.E4M3,
                        TensorType.NVFP4,
                        TensorType.Q4_ZERO_32,
                        TensorType.Q4_ZERO_128,
                        TensorType.Q8_ZERO,
                        TensorType.Q8_ZERO_32,
                        TensorType.NF4,
                        TensorType.FP4));
        for (int first : new int[] {0, 7}) {
            var rotated = new ArrayList<>(types.subList(first, types.size()));
            rotated.addAll(types.subList(0, first));
            TestGguf mixed = TestGguf.random(rotated, first);
            assertNear(
                    logits(floats(mixed), 1, "f32"),
                    logits(mixed.write(folder.resolve("mixed.gguf")), ranks, "auto"));
        }
    }

    @Test
    void aSplitFileGivesTheBitsOfTheWholeFile() throws Exception {
        TestGguf model = TestGguf.random(List.of(TensorType.Q4_K, TensorType.Q6_K), 3);
        float[][] whole = logits(model.write(folder.resolve("whole.gguf")), 2, "auto");
        float[][] split = logits(model.writeSplit(folder), 2, "auto");
        for (int t = 0; t < whole.length; t++) {
            assertArrayEquals(whole[t], split[t]);
        }
    }

    private Path floats(TestGguf model) throws Exception {
        try (CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(1))) {
            return model.dequantized(kernels).write(folder.resolve("floats.gguf"));
        }
    }

    private static float[][] logits(Path path, int ranks, String dtype) throws Exception {
        try (TestGroup group = TestGroup.load(path, ranks, dtype, "f32")) {
            int[] blocks = TestGroup.blocks(1, PROMPT.length);
            return group.forward(List.of(new TestGroup.Row(PROMPT, 0, blocks)));
        }
    }

    private static void assertNear(float[][] expected, float[][] actual) {
        for (int t = 0; t < expected.length; t++) {
            assertArrayEquals(expected[t], actual[t], LARGEST_DIFFERENCE);
        }
    }
}

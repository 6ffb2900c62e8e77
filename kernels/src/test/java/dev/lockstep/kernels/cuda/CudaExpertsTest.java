// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What the op of experts does on a GPU beyond its contract.
@Tag("gpu")
final class CudaExpertsTest {
    private static final int EXPERTS = 40;
    private static final int PER_TOKEN = 4;
    private static final int HIDDEN = 24;
    private static final int COLUMNS = 17;
    private static final int TOKENS = 10;

    private final TestDevice device = new TestDevice(CudaUnderTest.open(DType.BF16));
    private final Kernels kernels = device.kernels();
    private final Tensor x = device.zeros(TOKENS, HIDDEN);
    private final Tensor logits = device.zeros(DType.F32, TOKENS, EXPERTS);
    private final Tensor out = device.zeros(TOKENS, HIDDEN);

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void bitsDoNotDependOnHowManyTokensAreComputedTogether() {
        ExpertSet set = kernels.prepareExperts(layer(kernels));
        write(1);
        int[] expected = {};
        for (int rows : new int[] {TOKENS, 2 * PER_TOKEN + 3, TOKENS * PER_TOKEN, 1000}) {
            kernels.experts(set, x, logits, scratch(rows), out);
            int[] bits = device.bits(out);
            assertArrayEquals(rows == TOKENS ? bits : expected, bits, rows + " rows");
            expected = bits;
        }
    }

    @Test
    void aRecordedStepRoutesWhatItFinds() {
        ExpertSet set = kernels.prepareExperts(layer(kernels));
        ExpertScratch scratch = scratch(TOKENS);
        kernels.reserve(TOKENS, TOKENS, 16);
        Recording recording =
                kernels.record(() -> kernels.experts(set, x, logits, scratch, out)).orElseThrow();
        for (long seed = 2; seed < 5; seed++) {
            write(seed);
            kernels.experts(set, x, logits, scratch, out);
            int[] eager = device.bits(out);
            kernels.clear(out);
            recording.launch();
            assertArrayEquals(eager, device.bits(out));
        }
        recording.close();
    }

    @Test
    void weightsOfOtherKernelsAreRefused() {
        try (var other = new TestDevice(CudaUnderTest.open(DType.BF16))) {
            ExpertLayer foreign = layer(other.kernels());
            assertEquals(
                    "the weight was prepared by other kernels",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> kernels.prepareExperts(foreign))
                            .getMessage());
        }
    }

    private void write(long seed) {
        device.write(x, TestValues.normal(new Random(seed), TOKENS * HIDDEN));
        device.write(logits, TestValues.normal(new Random(seed + 100), TOKENS * EXPERTS));
    }

    private ExpertScratch scratch(int rows) {
        return new ExpertScratch(
                device.zeros(rows, HIDDEN),
                device.zeros(rows, 2 * COLUMNS),
                device.zeros(rows, COLUMNS),
                device.zeros(rows, HIDDEN));
    }

    private static ExpertLayer layer(Kernels kernels) {
        List<ExpertWeights> experts =
                IntStream.range(0, EXPERTS)
                        .mapToObj(
                                e ->
                                        new ExpertWeights(
                                                weight(kernels, 2 * COLUMNS, HIDDEN, e),
                                                weight(kernels, HIDDEN, COLUMNS, 100 + e)))
                        .toList();
        return new ExpertLayer(experts, Activation.GELU_ERF, PER_TOKEN, false);
    }

    private static PackedWeight weight(Kernels kernels, int rows, int columns, long seed) {
        StoredMatrix stored = StoredMatrix.random(TensorType.F32, rows, columns, seed);
        return kernels.prepare(List.of(stored.whole()), DType.BF16);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.ExpertWeights;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.TestValues;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What only a CPU promises of experts: the bits of the ops that they consist of.
class CpuExpertsTest {
    private static final int EXPERTS = 5;
    private static final int HIDDEN = 64;
    private static final int COLUMNS = 32;
    private static final int TOKENS = 11;

    private final float[] values = TestValues.normal(new Random(1), TOKENS * HIDDEN);
    private final float[] logits = TestValues.normal(new Random(2), TOKENS * EXPERTS);

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "Q8_0", "Q4_K"})
    void theBitsAreThoseOfTheSeparateOps(TensorType type) {
        DType compute = type == TensorType.BF16 ? DType.BF16 : DType.F32;
        try (var device = new TestDevice(OpenKernels.of(InstructionSet.VECTOR_API, 2))) {
            ExpertLayer layer = layer(device.kernels(), type, compute);
            Tensor x = device.floats(TOKENS, HIDDEN, values);
            Tensor out = device.zeros(DType.F32, TOKENS, HIDDEN);
            ExpertSet set = device.kernels().prepareExperts(layer);
            Tensor router = device.floats(TOKENS, EXPERTS, logits);
            device.kernels().experts(set, x, router, scratch(device, TOKENS), out);
            assertArrayEquals(separately(device, layer, x, router), device.floats(out));
        }
    }

    /// The step thread counts finished ops, and experts may be most of a step.
    @Test
    void aStepAllocatesNoMemoryAfterTheFirstAndReportsProgress() {
        try (var device = new TestDevice(OpenKernels.of(InstructionSet.VECTOR_API, 2))) {
            Kernels kernels = device.kernels();
            ExpertSet set = kernels.prepareExperts(layer(kernels, TensorType.Q8_0, DType.F32));
            ExpertScratch scratch = scratch(device, TOKENS);
            Tensor x = device.floats(TOKENS, HIDDEN, values);
            Tensor router = device.floats(TOKENS, EXPERTS, logits);
            Tensor out = device.zeros(DType.F32, TOKENS, HIDDEN);
            long before = kernels.progress();
            kernels.experts(set, x, router, scratch, out);
            assertEquals(before + 2 + 5 * EXPERTS, kernels.progress());
            long allocated = kernels.allocatedBytes();
            kernels.experts(set, x, router, scratch, out);
            kernels.experts(set, x.rows(0, 3), router.rows(0, 3), scratch, out.rows(0, 3));
            assertEquals(allocated, kernels.allocatedBytes());
        }
    }

    @Test
    void reservedMemoryIsEnoughForTheFirstStep() {
        try (var device = new TestDevice(OpenKernels.of(InstructionSet.VECTOR_API, 2))) {
            Kernels kernels = device.kernels();
            ExpertSet set = kernels.prepareExperts(layer(kernels, TensorType.Q8_0, DType.F32));
            ExpertScratch scratch = scratch(device, TOKENS);
            Tensor x = device.floats(TOKENS, HIDDEN, values);
            Tensor router = device.floats(TOKENS, EXPERTS, logits);
            Tensor out = device.zeros(DType.F32, TOKENS, HIDDEN);
            kernels.reserve(TOKENS, 1, 16);
            long allocated = kernels.allocatedBytes();
            kernels.experts(set, x, router, scratch, out);
            assertEquals(allocated, kernels.allocatedBytes());
        }
    }

    private static float[] separately(
            TestDevice device, ExpertLayer layer, Tensor x, Tensor router) {
        Kernels kernels = device.kernels();
        float[] sums = new float[TOKENS * HIDDEN];
        var routerMemory = new CpuMemory();
        try (var cpuRouter = new CpuRouter(routerMemory)) {
            CpuRouting routing = cpuRouter.route(router, layer.routing());
            for (int expert = 0; expert < EXPERTS; expert++) {
                int count = routing.count(expert);
                ExpertScratch own = scratch(device, count);
                kernels.gatherRows(x, routing.rows(expert), own.input());
                ExpertWeights weights = layer.experts().get(expert);
                kernels.matmul(own.input(), weights.gateUp(), own.gateUp());
                kernels.activateMultiply(layer.activation(), own.gateUp(), own.product());
                kernels.matmul(own.product(), weights.down(), own.output());
                float[] output = device.floats(own.output());
                for (int i = 0; i < output.length; i++) {
                    int to = routing.row(expert, i / HIDDEN) * HIDDEN + i % HIDDEN;
                    sums[to] = Math.fma(routing.weight(expert, i / HIDDEN), output[i], sums[to]);
                }
            }
        } finally {
            routerMemory.close();
        }
        return sums;
    }

    private static ExpertLayer layer(Kernels kernels, TensorType type, DType compute) {
        List<ExpertWeights> experts = new ArrayList<>();
        for (int e = 0; e < EXPERTS; e++) {
            StoredMatrix gateUp = StoredMatrix.random(type, 2 * COLUMNS, HIDDEN, e);
            StoredMatrix down = StoredMatrix.random(type, HIDDEN, COLUMNS, e + 100L);
            experts.add(
                    new ExpertWeights(
                            kernels.prepare(List.of(gateUp.whole()), compute),
                            kernels.prepare(List.of(down.whole()), compute)));
        }
        return new ExpertLayer(experts, Activation.SILU, 2, true);
    }

    private static ExpertScratch scratch(TestDevice device, int rows) {
        return new ExpertScratch(
                device.zeros(DType.F32, rows, HIDDEN),
                device.zeros(DType.F32, rows, 2 * COLUMNS),
                device.zeros(DType.F32, rows, COLUMNS),
                device.zeros(DType.F32, rows, HIDDEN));
    }
}

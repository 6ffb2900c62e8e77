// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/// A scale and a minimum for each block, `[2][16 rows]` f32. Codes are unsigned.
///
/// @param middle what a panel subtracts from codes, so that their products fit 16 bits
record VectorMinimumScales(int middle) implements VectorScales {
    @Override
    public int vectors() {
        return 2;
    }

    @Override
    public int added() {
        return 0;
    }

    @Override
    public int subtracted() {
        return middle;
    }

    @Override
    public void add(
            int[] scales,
            int blocks,
            float[] products,
            VectorInputs inputs,
            int input,
            float[] sums) {
        FloatVector sum = FloatVector.fromArray(SPECIES, sums, 0);
        for (int block = 0; block < blocks; block++) {
            FloatVector scale =
                    IntVector.fromArray(INTS, scales, 2 * STEP * block).reinterpretAsFloats();
            FloatVector minimum =
                    IntVector.fromArray(INTS, scales, 2 * STEP * block + STEP)
                            .reinterpretAsFloats();
            FloatVector codes =
                    FloatVector.fromArray(SPECIES, products, 2 * STEP * block)
                            .add(FloatVector.fromArray(SPECIES, products, 2 * STEP * block + STEP));
            sum = scale.mul(inputs.scales[input + block]).fma(codes, sum);
            sum =
                    minimum.fma(
                            FloatVector.broadcast(SPECIES, inputs.scaledSums[input + block]), sum);
        }
        sum.intoArray(sums, 0);
    }

    @Override
    public void decode(long scales, long stride, int blocks, VectorPanel panel, int vector) {
        for (int block = 0; block < blocks; block++) {
            long at = scales + block * stride;
            int to = VectorPanel.place(block, vector);
            FloatVector.fromMemorySegment(SPECIES, SEGMENT, at, ORDER).intoArray(panel.scales, to);
            FloatVector.fromMemorySegment(SPECIES, SEGMENT, at + VectorCodes.STEP_BYTES, ORDER)
                    .intoArray(panel.minimums, to);
        }
    }

    @Override
    public void add(VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        float[] products = panel.products;
        float[] sums = panel.sums;
        FloatVector scaleA =
                FloatVector.fromArray(SPECIES, panel.scales, VectorPanel.place(block, 0));
        FloatVector scaleB =
                FloatVector.fromArray(SPECIES, panel.scales, VectorPanel.place(block, 1));
        FloatVector minimumA =
                FloatVector.fromArray(SPECIES, panel.minimums, VectorPanel.place(block, 0));
        FloatVector minimumB =
                FloatVector.fromArray(SPECIES, panel.minimums, VectorPanel.place(block, 1));
        for (int token = 0; token < VectorPanel.TOKENS; token++) {
            int i = input + token * step;
            int from = token * VectorPanel.PRODUCTS;
            int to = token * VectorPanel.COLUMN;
            float scale = inputs.scales[i];
            FloatVector sum = FloatVector.broadcast(SPECIES, inputs.scaledSums[i]);
            FloatVector a =
                    FloatVector.fromArray(SPECIES, products, from)
                            .add(FloatVector.fromArray(SPECIES, products, from + STEP));
            FloatVector b =
                    FloatVector.fromArray(SPECIES, products, from + 2 * STEP)
                            .add(FloatVector.fromArray(SPECIES, products, from + 3 * STEP));
            a = scaleA.mul(scale).fma(a, FloatVector.fromArray(SPECIES, sums, to));
            b = scaleB.mul(scale).fma(b, FloatVector.fromArray(SPECIES, sums, to + STEP));
            minimumA.fma(sum, a).intoArray(sums, to);
            minimumB.fma(sum, b).intoArray(sums, to + STEP);
        }
    }

    @Override
    public void addPairs(VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        int[] pairSums = panel.pairSums;
        float[] sums = panel.sums;
        FloatVector scaleA =
                FloatVector.fromArray(SPECIES, panel.scales, VectorPanel.place(block, 0));
        FloatVector scaleB =
                FloatVector.fromArray(SPECIES, panel.scales, VectorPanel.place(block, 1));
        FloatVector minimumA =
                FloatVector.fromArray(SPECIES, panel.minimums, VectorPanel.place(block, 0));
        FloatVector minimumB =
                FloatVector.fromArray(SPECIES, panel.minimums, VectorPanel.place(block, 1));
        for (int token = 0; token < VectorPanel.TOKENS; token++) {
            int i = input + token * step;
            int at = token * VectorPanel.COLUMN;
            float scale = inputs.scales[i];
            FloatVector sum = FloatVector.broadcast(SPECIES, inputs.scaledSums[i]);
            FloatVector missing =
                    FloatVector.broadcast(
                            SPECIES, middle * (inputs.firstSums[i] + inputs.secondSums[i]));
            IntVector a = IntVector.fromArray(INTS, pairSums, at);
            IntVector b = IntVector.fromArray(INTS, pairSums, at + STEP);
            FloatVector totalA =
                    scaleA.mul(scale)
                            .fma(
                                    missing.add(
                                            a.lanewise(LSHL, 16)
                                                    .lanewise(ASHR, 16)
                                                    .add(a.lanewise(ASHR, 16))
                                                    .convertShape(I2F, SPECIES, 0)),
                                    FloatVector.fromArray(SPECIES, sums, at));
            FloatVector totalB =
                    scaleB.mul(scale)
                            .fma(
                                    missing.add(
                                            b.lanewise(LSHL, 16)
                                                    .lanewise(ASHR, 16)
                                                    .add(b.lanewise(ASHR, 16))
                                                    .convertShape(I2F, SPECIES, 0)),
                                    FloatVector.fromArray(SPECIES, sums, at + STEP));
            minimumA.fma(sum, totalA).intoArray(sums, at);
            minimumB.fma(sum, totalB).intoArray(sums, at + STEP);
        }
    }
}

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

/// A scale for each block, `[16 rows]` f32.
///
/// @param added what the packer adds to codes
record VectorBlockScales(int added) implements VectorScales {
    @Override
    public int vectors() {
        return 1;
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
                    IntVector.fromArray(INTS, scales, STEP * block).reinterpretAsFloats();
            FloatVector codes =
                    FloatVector.fromArray(SPECIES, products, 2 * STEP * block)
                            .add(FloatVector.fromArray(SPECIES, products, 2 * STEP * block + STEP))
                            .sub(
                                    inputs.firstOffsets[input + block]
                                            + inputs.secondOffsets[input + block]);
            sum = scale.mul(inputs.scales[input + block]).fma(codes, sum);
        }
        sum.intoArray(sums, 0);
    }

    @Override
    public void decode(long scales, long stride, int blocks, VectorPanel panel, int vector) {
        for (int block = 0; block < blocks; block++) {
            FloatVector.fromMemorySegment(SPECIES, SEGMENT, scales + block * stride, ORDER)
                    .intoArray(panel.scales, VectorPanel.place(block, vector));
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
        for (int token = 0; token < VectorPanel.TOKENS; token++) {
            int i = input + token * step;
            int from = token * VectorPanel.PRODUCTS;
            int to = token * VectorPanel.COLUMN;
            float scale = inputs.scales[i];
            FloatVector a =
                    FloatVector.fromArray(SPECIES, products, from)
                            .add(FloatVector.fromArray(SPECIES, products, from + STEP));
            FloatVector b =
                    FloatVector.fromArray(SPECIES, products, from + 2 * STEP)
                            .add(FloatVector.fromArray(SPECIES, products, from + 3 * STEP));
            scaleA.mul(scale).fma(a, FloatVector.fromArray(SPECIES, sums, to)).intoArray(sums, to);
            scaleB.mul(scale)
                    .fma(b, FloatVector.fromArray(SPECIES, sums, to + STEP))
                    .intoArray(sums, to + STEP);
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
        for (int token = 0; token < VectorPanel.TOKENS; token++) {
            int i = input + token * step;
            int at = token * VectorPanel.COLUMN;
            float scale = inputs.scales[i];
            IntVector a = IntVector.fromArray(INTS, pairSums, at);
            IntVector b = IntVector.fromArray(INTS, pairSums, at + STEP);
            scaleA.mul(scale)
                    .fma(
                            a.lanewise(LSHL, 16)
                                    .lanewise(ASHR, 16)
                                    .add(a.lanewise(ASHR, 16))
                                    .convertShape(I2F, SPECIES, 0),
                            FloatVector.fromArray(SPECIES, sums, at))
                    .intoArray(sums, at);
            scaleB.mul(scale)
                    .fma(
                            b.lanewise(LSHL, 16)
                                    .lanewise(ASHR, 16)
                                    .add(b.lanewise(ASHR, 16))
                                    .convertShape(I2F, SPECIES, 0),
                            FloatVector.fromArray(SPECIES, sums, at + STEP))
                    .intoArray(sums, at + STEP);
        }
    }
}

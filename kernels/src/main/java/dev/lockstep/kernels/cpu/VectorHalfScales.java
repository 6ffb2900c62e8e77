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
import static jdk.incubator.vector.VectorOperators.LSHR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/// A scale for each half of a block, `[16 rows]` ints: signed s and unsigned m of the first half in
/// the lowest bytes, then those of the second. Then d as f32, and e where there is a minimum.
///
/// @param added what the packer adds to codes
record VectorHalfScales(int added, boolean hasMinimum) implements VectorScales {
    @Override
    public int vectors() {
        return hasMinimum ? 3 : 2;
    }

    @Override
    public void add(
            int[] scales,
            int blocks,
            float[] products,
            VectorInputs inputs,
            int input,
            float[] sums) {
        if (hasMinimum) {
            addWithMinimum(scales, blocks, products, inputs, input, sums);
        } else {
            addWithoutMinimum(scales, blocks, products, inputs, input, sums);
        }
    }

    // Two loops: with a branch in one, C2 boxed vectors once it had compiled either case alone.

    private static void addWithoutMinimum(
            int[] scales,
            int blocks,
            float[] products,
            VectorInputs inputs,
            int input,
            float[] sums) {
        FloatVector sum = FloatVector.fromArray(SPECIES, sums, 0);
        for (int block = 0; block < blocks; block++) {
            int at = 2 * STEP * block;
            IntVector own = IntVector.fromArray(INTS, scales, at);
            FloatVector codes =
                    FloatVector.fromArray(SPECIES, products, 2 * STEP * block)
                            .sub(inputs.firstOffsets[input + block])
                            .fma(firstScale(own), FloatVector.zero(SPECIES));
            codes =
                    FloatVector.fromArray(SPECIES, products, 2 * STEP * block + STEP)
                            .sub(inputs.secondOffsets[input + block])
                            .fma(secondScale(own), codes);
            float scale = inputs.scales[input + block];
            sum = factor(scales, at + STEP).mul(scale).fma(codes, sum);
        }
        sum.intoArray(sums, 0);
    }

    private static void addWithMinimum(
            int[] scales,
            int blocks,
            float[] products,
            VectorInputs inputs,
            int input,
            float[] sums) {
        FloatVector sum = FloatVector.fromArray(SPECIES, sums, 0);
        for (int block = 0; block < blocks; block++) {
            int at = 3 * STEP * block;
            IntVector own = IntVector.fromArray(INTS, scales, at);
            FloatVector codes =
                    FloatVector.fromArray(SPECIES, products, 2 * STEP * block)
                            .sub(inputs.firstOffsets[input + block])
                            .fma(firstScale(own), FloatVector.zero(SPECIES));
            codes =
                    FloatVector.fromArray(SPECIES, products, 2 * STEP * block + STEP)
                            .sub(inputs.secondOffsets[input + block])
                            .fma(secondScale(own), codes);
            float scale = inputs.scales[input + block];
            sum = factor(scales, at + STEP).mul(scale).fma(codes, sum);
            FloatVector minimum =
                    firstMinimum(own)
                            .fma(
                                    FloatVector.broadcast(SPECIES, inputs.firstSums[input + block]),
                                    FloatVector.zero(SPECIES));
            minimum =
                    secondMinimum(own)
                            .fma(
                                    FloatVector.broadcast(
                                            SPECIES, inputs.secondSums[input + block]),
                                    minimum);
            sum = factor(scales, at + 2 * STEP).mul(-scale).fma(minimum, sum);
        }
        sum.intoArray(sums, 0);
    }

    @Override
    public void decode(long scales, long stride, int blocks, VectorPanel panel, int vector) {
        for (int block = 0; block < blocks; block++) {
            long at = scales + block * stride;
            IntVector own = IntVector.fromMemorySegment(INTS, SEGMENT, at, ORDER);
            int to = VectorPanel.place(block, vector);
            factor(at + VectorCodes.STEP_BYTES).intoArray(panel.scales, to);
            firstScale(own).intoArray(panel.firstScales, to);
            secondScale(own).intoArray(panel.secondScales, to);
            if (hasMinimum) {
                factor(at + 2 * VectorCodes.STEP_BYTES).intoArray(panel.minimums, to);
                firstMinimum(own).intoArray(panel.firstMinimums, to);
                secondMinimum(own).intoArray(panel.secondMinimums, to);
            }
        }
    }

    @Override
    public void add(VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        float[] products = panel.products;
        float[] sums = panel.sums;
        int placeA = VectorPanel.place(block, 0);
        int placeB = VectorPanel.place(block, 1);
        FloatVector factorA = FloatVector.fromArray(SPECIES, panel.scales, placeA);
        FloatVector factorB = FloatVector.fromArray(SPECIES, panel.scales, placeB);
        FloatVector firstA = FloatVector.fromArray(SPECIES, panel.firstScales, placeA);
        FloatVector firstB = FloatVector.fromArray(SPECIES, panel.firstScales, placeB);
        FloatVector secondA = FloatVector.fromArray(SPECIES, panel.secondScales, placeA);
        FloatVector secondB = FloatVector.fromArray(SPECIES, panel.secondScales, placeB);
        FloatVector zero = FloatVector.zero(SPECIES);
        for (int token = 0; token < VectorPanel.TOKENS; token++) {
            int from = token * VectorPanel.PRODUCTS;
            int at = token * VectorPanel.COLUMN;
            float scale = inputs.scales[input + token * step];
            FloatVector a = FloatVector.fromArray(SPECIES, products, from).fma(firstA, zero);
            a = FloatVector.fromArray(SPECIES, products, from + STEP).fma(secondA, a);
            FloatVector b =
                    FloatVector.fromArray(SPECIES, products, from + 2 * STEP).fma(firstB, zero);
            b = FloatVector.fromArray(SPECIES, products, from + 3 * STEP).fma(secondB, b);
            factorA.mul(scale).fma(a, FloatVector.fromArray(SPECIES, sums, at)).intoArray(sums, at);
            factorB.mul(scale)
                    .fma(b, FloatVector.fromArray(SPECIES, sums, at + STEP))
                    .intoArray(sums, at + STEP);
        }
        if (hasMinimum) {
            addMinimum(panel, block, inputs, input, step);
        }
    }

    @Override
    public void addPairs(VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        int[] pairSums = panel.pairSums;
        float[] sums = panel.sums;
        int placeA = VectorPanel.place(block, 0);
        int placeB = VectorPanel.place(block, 1);
        FloatVector factorA = FloatVector.fromArray(SPECIES, panel.scales, placeA);
        FloatVector factorB = FloatVector.fromArray(SPECIES, panel.scales, placeB);
        FloatVector firstA = FloatVector.fromArray(SPECIES, panel.firstScales, placeA);
        FloatVector firstB = FloatVector.fromArray(SPECIES, panel.firstScales, placeB);
        FloatVector secondA = FloatVector.fromArray(SPECIES, panel.secondScales, placeA);
        FloatVector secondB = FloatVector.fromArray(SPECIES, panel.secondScales, placeB);
        FloatVector zero = FloatVector.zero(SPECIES);
        for (int token = 0; token < VectorPanel.TOKENS; token++) {
            int at = token * VectorPanel.COLUMN;
            float scale = inputs.scales[input + token * step];
            IntVector a = IntVector.fromArray(INTS, pairSums, at);
            IntVector b = IntVector.fromArray(INTS, pairSums, at + STEP);
            FloatVector codesA =
                    firstA.fma(
                            a.lanewise(LSHL, 16).lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0),
                            zero);
            codesA = secondA.fma(a.lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0), codesA);
            FloatVector codesB =
                    firstB.fma(
                            b.lanewise(LSHL, 16).lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0),
                            zero);
            codesB = secondB.fma(b.lanewise(ASHR, 16).convertShape(I2F, SPECIES, 0), codesB);
            factorA.mul(scale)
                    .fma(codesA, FloatVector.fromArray(SPECIES, sums, at))
                    .intoArray(sums, at);
            factorB.mul(scale)
                    .fma(codesB, FloatVector.fromArray(SPECIES, sums, at + STEP))
                    .intoArray(sums, at + STEP);
        }
        if (hasMinimum) {
            addMinimum(panel, block, inputs, input, step);
        }
    }

    private static void addMinimum(
            VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        float[] sums = panel.sums;
        for (int vector = 0; vector < VectorPanel.VECTORS; vector++) {
            int place = VectorPanel.place(block, vector);
            FloatVector factor = FloatVector.fromArray(SPECIES, panel.minimums, place);
            FloatVector first = FloatVector.fromArray(SPECIES, panel.firstMinimums, place);
            FloatVector second = FloatVector.fromArray(SPECIES, panel.secondMinimums, place);
            for (int token = 0; token < VectorPanel.TOKENS; token++) {
                int i = input + token * step;
                int to = token * VectorPanel.COLUMN + STEP * vector;
                FloatVector minimum =
                        first.fma(
                                FloatVector.broadcast(SPECIES, inputs.firstSums[i]),
                                FloatVector.zero(SPECIES));
                minimum = second.fma(FloatVector.broadcast(SPECIES, inputs.secondSums[i]), minimum);
                factor.mul(-inputs.scales[i])
                        .fma(minimum, FloatVector.fromArray(SPECIES, sums, to))
                        .intoArray(sums, to);
            }
        }
    }

    // Small enough that C2 inlines them; a vector that crosses a real call is boxed.

    private static FloatVector factor(int[] scales, int at) {
        return IntVector.fromArray(INTS, scales, at).reinterpretAsFloats();
    }

    private static FloatVector factor(long address) {
        return FloatVector.fromMemorySegment(SPECIES, SEGMENT, address, ORDER);
    }

    private static FloatVector firstScale(IntVector own) {
        return floats(own.lanewise(LSHL, 24).lanewise(ASHR, 24));
    }

    private static FloatVector secondScale(IntVector own) {
        return floats(own.lanewise(LSHL, 8).lanewise(ASHR, 24));
    }

    private static FloatVector firstMinimum(IntVector own) {
        return floats(own.lanewise(LSHR, 8).and(255));
    }

    private static FloatVector secondMinimum(IntVector own) {
        return floats(own.lanewise(LSHR, 24));
    }

    private static FloatVector floats(IntVector integers) {
        return (FloatVector) integers.convertShape(I2F, SPECIES, 0);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORTS;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;

/// Products of a block of a [VectorPanel] of pairs with [VectorPanel#TOKENS] tokens: two vectors of
/// rows for each, whose sums of 16 bits stay in registers: two columns of a row in every int.
final class VectorPairPanel {
    private static final int SUMS = VectorPanel.TOKENS * VectorPanel.COLUMN;

    private VectorPairPanel() {}

    /// Writes the sums of pairs of all columns, which fit 16 bits, to the panel.
    ///
    /// @param input of the first token and this block, in arrays of [VectorInputs]
    /// @param step from token to token
    static void multiply(VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        multiply(panel, block, 0, VectorCodes.HALF, inputs, input, step, 0);
    }

    /// Writes the sums of each half of the columns to the panel's products: of pairs of 8 columns
    /// twice, which fit 16 bits.
    static void multiplyHalves(
            VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        int count = VectorCodes.HALF / 2;
        multiply(panel, block, 0, count, inputs, input, step, 0);
        multiply(panel, block, count, count, inputs, input, step, SUMS);
        widenBoth(panel);
    }

    private static void widenBoth(VectorPanel panel) {
        float[] products = panel.products;
        int to = 0;
        for (int at = 0; at < SUMS; at += STEP) {
            IntVector sums = IntVector.fromArray(INTS, panel.pairSums, at);
            IntVector others = IntVector.fromArray(INTS, panel.pairSums, at + SUMS);
            ((FloatVector)
                            sums.lanewise(LSHL, 16)
                                    .lanewise(ASHR, 16)
                                    .add(others.lanewise(LSHL, 16).lanewise(ASHR, 16))
                                    .convertShape(I2F, SPECIES, 0))
                    .intoArray(products, to);
            ((FloatVector)
                            sums.lanewise(ASHR, 16)
                                    .add(others.lanewise(ASHR, 16))
                                    .convertShape(I2F, SPECIES, 0))
                    .intoArray(products, to + STEP);
            to += 2 * STEP;
        }
    }

    /// Writes the sums of some columns of each half, `[token][2][STEP]` from `to` on.
    ///
    /// @param from first column of each half, of which the products of `count` fit 16 bits
    /// @param input of the first token and this block, in arrays of [VectorInputs]
    /// @param step from token to token
    private static void multiply(
            VectorPanel panel,
            int block,
            int from,
            int count,
            VectorInputs inputs,
            int input,
            int step,
            int to) {
        int[] codes = panel.pairs;
        int[] values = inputs.pairs;
        int[] sums = panel.pairSums;
        int code = VectorPanel.pair(block, from, 0);
        int x0 = input * VectorCodes.HALF + from;
        int x1 = (input + step) * VectorCodes.HALF + from;
        int x2 = (input + 2 * step) * VectorCodes.HALF + from;
        int x3 = (input + 3 * step) * VectorCodes.HALF + from;
        int x4 = (input + 4 * step) * VectorCodes.HALF + from;
        int x5 = (input + 5 * step) * VectorCodes.HALF + from;
        ShortVector a0 = ShortVector.zero(SHORTS);
        ShortVector b0 = a0;
        ShortVector a1 = a0;
        ShortVector b1 = a0;
        ShortVector a2 = a0;
        ShortVector b2 = a0;
        ShortVector a3 = a0;
        ShortVector b3 = a0;
        ShortVector a4 = a0;
        ShortVector b4 = a0;
        ShortVector a5 = a0;
        ShortVector b5 = a0;
        for (int c = 0; c < count; c += 2) {
            int at = code + c * VectorPanel.COLUMN;
            ShortVector a = IntVector.fromArray(INTS, codes, at).reinterpretAsShorts();
            ShortVector b = IntVector.fromArray(INTS, codes, at + STEP).reinterpretAsShorts();
            ShortVector nextA =
                    IntVector.fromArray(INTS, codes, at + 2 * STEP).reinterpretAsShorts();
            ShortVector nextB =
                    IntVector.fromArray(INTS, codes, at + 3 * STEP).reinterpretAsShorts();
            ShortVector x = IntVector.broadcast(INTS, values[x0 + c]).reinterpretAsShorts();
            a0 = a0.add(a.mul(x));
            b0 = b0.add(b.mul(x));
            x = IntVector.broadcast(INTS, values[x0 + c + 1]).reinterpretAsShorts();
            a0 = a0.add(nextA.mul(x));
            b0 = b0.add(nextB.mul(x));
            x = IntVector.broadcast(INTS, values[x1 + c]).reinterpretAsShorts();
            a1 = a1.add(a.mul(x));
            b1 = b1.add(b.mul(x));
            x = IntVector.broadcast(INTS, values[x1 + c + 1]).reinterpretAsShorts();
            a1 = a1.add(nextA.mul(x));
            b1 = b1.add(nextB.mul(x));
            x = IntVector.broadcast(INTS, values[x2 + c]).reinterpretAsShorts();
            a2 = a2.add(a.mul(x));
            b2 = b2.add(b.mul(x));
            x = IntVector.broadcast(INTS, values[x2 + c + 1]).reinterpretAsShorts();
            a2 = a2.add(nextA.mul(x));
            b2 = b2.add(nextB.mul(x));
            x = IntVector.broadcast(INTS, values[x3 + c]).reinterpretAsShorts();
            a3 = a3.add(a.mul(x));
            b3 = b3.add(b.mul(x));
            x = IntVector.broadcast(INTS, values[x3 + c + 1]).reinterpretAsShorts();
            a3 = a3.add(nextA.mul(x));
            b3 = b3.add(nextB.mul(x));
            x = IntVector.broadcast(INTS, values[x4 + c]).reinterpretAsShorts();
            a4 = a4.add(a.mul(x));
            b4 = b4.add(b.mul(x));
            x = IntVector.broadcast(INTS, values[x4 + c + 1]).reinterpretAsShorts();
            a4 = a4.add(nextA.mul(x));
            b4 = b4.add(nextB.mul(x));
            x = IntVector.broadcast(INTS, values[x5 + c]).reinterpretAsShorts();
            a5 = a5.add(a.mul(x));
            b5 = b5.add(b.mul(x));
            x = IntVector.broadcast(INTS, values[x5 + c + 1]).reinterpretAsShorts();
            a5 = a5.add(nextA.mul(x));
            b5 = b5.add(nextB.mul(x));
        }
        a0.reinterpretAsInts().intoArray(sums, to);
        b0.reinterpretAsInts().intoArray(sums, to + STEP);
        a1.reinterpretAsInts().intoArray(sums, to + 2 * STEP);
        b1.reinterpretAsInts().intoArray(sums, to + 3 * STEP);
        a2.reinterpretAsInts().intoArray(sums, to + 4 * STEP);
        b2.reinterpretAsInts().intoArray(sums, to + 5 * STEP);
        a3.reinterpretAsInts().intoArray(sums, to + 6 * STEP);
        b3.reinterpretAsInts().intoArray(sums, to + 7 * STEP);
        a4.reinterpretAsInts().intoArray(sums, to + 8 * STEP);
        b4.reinterpretAsInts().intoArray(sums, to + 9 * STEP);
        a5.reinterpretAsInts().intoArray(sums, to + 10 * STEP);
        b5.reinterpretAsInts().intoArray(sums, to + 11 * STEP);
    }
}

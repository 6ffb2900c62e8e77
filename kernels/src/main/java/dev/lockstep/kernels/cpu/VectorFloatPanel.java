// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import jdk.incubator.vector.FloatVector;

/// Products of a block of a [VectorPanel] of floats with [VectorPanel#TOKENS] tokens: two vectors
/// of rows for each, whose sums stay in registers over the columns of a half.
final class VectorFloatPanel {
    private VectorFloatPanel() {}

    /// Writes the sums of each half to `products`, `[token][2][2][STEP]`.
    ///
    /// @param input of the first token and this block, in arrays of [VectorInputs]
    /// @param step from token to token
    static void multiply(VectorPanel panel, int block, VectorInputs inputs, int input, int step) {
        float[] codes = panel.codes;
        float[] values = inputs.values;
        float[] products = panel.products;
        for (int half = 0; half < 2; half++) {
            int code = VectorPanel.place(block, half * VectorCodes.HALF, 0);
            int x0 = input * VectorCodes.BLOCK + half * VectorCodes.HALF;
            int x1 = (input + step) * VectorCodes.BLOCK + half * VectorCodes.HALF;
            int x2 = (input + 2 * step) * VectorCodes.BLOCK + half * VectorCodes.HALF;
            int x3 = (input + 3 * step) * VectorCodes.BLOCK + half * VectorCodes.HALF;
            int x4 = (input + 4 * step) * VectorCodes.BLOCK + half * VectorCodes.HALF;
            int x5 = (input + 5 * step) * VectorCodes.BLOCK + half * VectorCodes.HALF;
            FloatVector a0 = FloatVector.zero(SPECIES);
            FloatVector b0 = a0;
            FloatVector a1 = a0;
            FloatVector b1 = a0;
            FloatVector a2 = a0;
            FloatVector b2 = a0;
            FloatVector a3 = a0;
            FloatVector b3 = a0;
            FloatVector a4 = a0;
            FloatVector b4 = a0;
            FloatVector a5 = a0;
            FloatVector b5 = a0;
            for (int c = 0; c < VectorCodes.HALF; c += 2) {
                int at = code + c * VectorPanel.COLUMN;
                FloatVector a = FloatVector.fromArray(SPECIES, codes, at);
                FloatVector b = FloatVector.fromArray(SPECIES, codes, at + STEP);
                FloatVector nextA = FloatVector.fromArray(SPECIES, codes, at + 2 * STEP);
                FloatVector nextB = FloatVector.fromArray(SPECIES, codes, at + 3 * STEP);
                FloatVector x = FloatVector.broadcast(SPECIES, values[x0 + c]);
                a0 = a.fma(x, a0);
                b0 = b.fma(x, b0);
                x = FloatVector.broadcast(SPECIES, values[x0 + c + 1]);
                a0 = nextA.fma(x, a0);
                b0 = nextB.fma(x, b0);
                x = FloatVector.broadcast(SPECIES, values[x1 + c]);
                a1 = a.fma(x, a1);
                b1 = b.fma(x, b1);
                x = FloatVector.broadcast(SPECIES, values[x1 + c + 1]);
                a1 = nextA.fma(x, a1);
                b1 = nextB.fma(x, b1);
                x = FloatVector.broadcast(SPECIES, values[x2 + c]);
                a2 = a.fma(x, a2);
                b2 = b.fma(x, b2);
                x = FloatVector.broadcast(SPECIES, values[x2 + c + 1]);
                a2 = nextA.fma(x, a2);
                b2 = nextB.fma(x, b2);
                x = FloatVector.broadcast(SPECIES, values[x3 + c]);
                a3 = a.fma(x, a3);
                b3 = b.fma(x, b3);
                x = FloatVector.broadcast(SPECIES, values[x3 + c + 1]);
                a3 = nextA.fma(x, a3);
                b3 = nextB.fma(x, b3);
                x = FloatVector.broadcast(SPECIES, values[x4 + c]);
                a4 = a.fma(x, a4);
                b4 = b.fma(x, b4);
                x = FloatVector.broadcast(SPECIES, values[x4 + c + 1]);
                a4 = nextA.fma(x, a4);
                b4 = nextB.fma(x, b4);
                x = FloatVector.broadcast(SPECIES, values[x5 + c]);
                a5 = a.fma(x, a5);
                b5 = b.fma(x, b5);
                x = FloatVector.broadcast(SPECIES, values[x5 + c + 1]);
                a5 = nextA.fma(x, a5);
                b5 = nextB.fma(x, b5);
            }
            int to = half * STEP;
            a0.intoArray(products, to);
            b0.intoArray(products, to + 2 * STEP);
            a1.intoArray(products, to + 4 * STEP);
            b1.intoArray(products, to + 6 * STEP);
            a2.intoArray(products, to + 8 * STEP);
            b2.intoArray(products, to + 10 * STEP);
            a3.intoArray(products, to + 12 * STEP);
            b3.intoArray(products, to + 14 * STEP);
            a4.intoArray(products, to + 16 * STEP);
            b4.intoArray(products, to + 18 * STEP);
            a5.intoArray(products, to + 20 * STEP);
            b5.intoArray(products, to + 22 * STEP);
        }
    }
}

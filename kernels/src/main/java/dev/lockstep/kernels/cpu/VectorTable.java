// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.INTS;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import java.util.stream.IntStream;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// The values of codes of 4 bits, looked up in registers: as many vectors as sixteen values need.
final class VectorTable {
    private VectorTable() {}

    /// Returns the bits of up to sixteen values.
    static IntVector[] of(float[] values) {
        int[] bits =
                IntStream.range(0, values.length)
                        .map(code -> Float.floatToRawIntBits(values[code]))
                        .toArray();
        return IntStream.range(0, Math.ceilDiv(bits.length, STEP))
                .mapToObj(i -> IntVector.fromArray(INTS, bits, i * STEP))
                .toArray(IntVector[]::new);
    }

    // Small enough that C2 inlines it; a vector that crosses a real call is boxed.

    /// Returns the bits of the values of codes.
    static IntVector values(IntVector[] table, IntVector codes) {
        IntVector within = codes.and(STEP - 1);
        IntVector values = within.selectFrom(table[0]);
        for (int i = 1; i < table.length; i++) {
            values =
                    values.blend(
                            within.selectFrom(table[i]),
                            codes.compare(VectorOperators.GE, i * STEP));
        }
        return values;
    }
}

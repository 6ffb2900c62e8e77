// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Codes of 1, 2, 4 or 8 bits along the columns, the first in the lowest bits.
///
/// @param rowBytes from row to row
/// @param values by code
record CodeRows(MemorySegment data, long rowBytes, int bits, float[] values) implements RowReader {

    @Override
    public void read(int row, int from, float[] out) {
        int mask = (1 << bits) - 1;
        long start = row * rowBytes;
        for (int i = 0; i < out.length; i++) {
            long bit = (long) (from + i) * bits;
            int bytes = data.get(ValueLayout.JAVA_BYTE, start + bit / 8);
            out[i] = values[(bytes >> (int) (bit % 8)) & mask];
        }
    }
}

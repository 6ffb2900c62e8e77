// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;

/// Decodes every second row of a matrix.
///
/// @param first 0 or 1, the first of them
record AlternateRows(WeightDecoder whole, int first) implements WeightDecoder {

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        whole.decode(2 * row + first, from, to, target, offset);
    }
}

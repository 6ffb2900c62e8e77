// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Decodes rows of a matrix whose file keeps it in a form that no kernel reads.
public interface WeightDecoder {

    /// Writes columns `[from, to)` of a stored row, in the type of its [WeightMatrix]: whole blocks
    /// of it.
    void decode(int row, int from, int to, MemorySegment target, long offset);

    /// Returns how to decode the matrix where its values do not fit its type: this reads its
    /// scales. Empty where they fit.
    default Optional<Plain> fallback() {
        return Optional.empty();
    }

    /// Returns what [#fallback] will probably return, judged by few of the scales: a forecast of
    /// memory does not read all of them.
    default Optional<Plain> expectedFallback() {
        return Optional.empty();
    }

    /// Returns how to decode the matrix to a plain type, where it cannot be used in its own: cut
    /// within a block, or transposed. Empty where its type is plain, or is the only one.
    default Optional<Plain> inPlainType() {
        return Optional.empty();
    }

    /// Returns the column of the matrix that each decoded column is, where they are in another
    /// order.
    default Optional<int[]> columnOrder() {
        return Optional.empty();
    }

    /// A decoder to a plain type.
    record Plain(TensorType type, WeightDecoder decoder) {}
}

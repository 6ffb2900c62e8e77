// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;

/// Decodes rows of a matrix whose file keeps it in a form that no kernel reads.
public interface WeightDecoder {

    /// Writes columns `[from, to)` of a stored row, in the type of its [WeightMatrix]: whole blocks
    /// of it.
    void decode(int row, int from, int to, MemorySegment target, long offset);
}

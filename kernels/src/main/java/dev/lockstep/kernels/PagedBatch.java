// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The rows of one step for one KV group; all tensors are I32 in device memory.
///
/// Row r's tokens are `[rowStarts[r], rowStarts[r + 1])` of the step, at positions `computed[r] …`
/// of their sequence; the token at position p is stored in block `blockTable[r][p / blockSize]`.
///
/// @param rowStarts `[1, rows + 1]`
/// @param computed `[1, rows]`: tokens already in the cache before this step
/// @param blockTable `[rows, maximum number of blocks of a row]`
public record PagedBatch(
        int rows, int tokens, Tensor rowStarts, Tensor computed, Tensor blockTable) {

    public PagedBatch {
        rowStarts.require("rowStarts", DType.I32, 1, rows + 1);
        computed.require("computed", DType.I32, 1, rows);
        if (blockTable.type() != DType.I32 || blockTable.rows() != rows) {
            throw new IllegalArgumentException("block table is not I32 of %d rows".formatted(rows));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The rows of one step for one KV group; all tensors are I32 in device memory.
///
/// Row r's tokens are `[rowStarts[r], rowStarts[r + 1])` of the step, at positions `computed[r] …`
/// of their sequence; the token at position p is stored in block `blockTable[lines[r]][p /
/// blockSize]`. Entries of a line after the block of the row's last token, and with a window those
/// before it, are not read.
///
/// The first `expandedRows` rows, of `expandedTokens` tokens together, are stored like others and
/// attend elsewhere: see [ExpandedAttention].
///
/// A row of line [#PADDING] fills a batch up to a fixed size: nothing is stored for its tokens, and
/// they attend to nothing.
///
/// @param rowStarts `[1, rows + 1]`
/// @param computed `[1, rows]`: tokens already in the cache before this step
/// @param lines `[1, rows]`: the line of the block table that each row reads
/// @param blockTable `[lines, maximum number of blocks of a sequence]`; stays on the device from
///   step to step
public record PagedBatch(
        int rows,
        int tokens,
        Tensor rowStarts,
        Tensor computed,
        Tensor lines,
        Tensor blockTable,
        int expandedRows,
        int expandedTokens) {
    /// The line of a row that is padding.
    public static final int PADDING = -1;

    public PagedBatch {
        if (rows == 0 && tokens > 0) {
            throw new IllegalArgumentException("%d tokens in no row".formatted(tokens));
        }
        if (expandedRows < 0
                || expandedRows > rows
                || expandedTokens < expandedRows
                || expandedTokens > tokens) {
            throw new IllegalArgumentException(
                    "%d of %d rows are expanded, %d of %d tokens"
                            .formatted(expandedRows, rows, expandedTokens, tokens));
        }
        rowStarts.require("rowStarts", DType.I32, 1, rows + 1);
        computed.require("computed", DType.I32, 1, rows);
        lines.require("lines", DType.I32, 1, rows);
        blockTable.require("blockTable", DType.I32, blockTable.rows(), blockTable.columns());
    }

    /// Creates a batch of which no row is expanded.
    public PagedBatch(
            int rows,
            int tokens,
            Tensor rowStarts,
            Tensor computed,
            Tensor lines,
            Tensor blockTable) {
        this(rows, tokens, rowStarts, computed, lines, blockTable, 0, 0);
    }
}

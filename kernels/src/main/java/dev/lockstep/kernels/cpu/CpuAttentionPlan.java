// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.PagedBatch;
import java.util.List;

/// The tiles of one step, most work first, and where the keys and values of each token are stored.
///
/// @param merges of the tiles that compute one segment each
/// @param tokenBlocks address of ints: the block of each token, negative in a padding row
/// @param tokenOffsets address of ints: the offset of each token in its block
/// @param expanded rows without tiles
/// @param padding number of tokens in padding rows
/// @param work multiply-adds of one layer
/// @param mergedFloats of all states that are merged in one layer
/// @param lowest the entry with the lowest id of all blocks read or written
/// @param highest the one with the highest id
record CpuAttentionPlan(
        CpuAttention owner,
        PagedBatch batch,
        List<AttentionTile> tiles,
        List<AttentionMerge> merges,
        long tokenBlocks,
        long tokenOffsets,
        List<ExpandedRow> expanded,
        int padding,
        long work,
        long mergedFloats,
        Entry lowest,
        Entry highest)
        implements AttentionPlan {

    /// A row whose tokens attend to expanded keys and values.
    ///
    /// @param blockTable address of the row's block ids
    /// @param token the index of its first token in the step
    /// @param position of that token in its sequence
    record ExpandedRow(long blockTable, int token, int tokens, int position) {
        /// Returns the positions up to its end.
        int length() {
            return position + tokens;
        }
    }

    /// An entry of the block table.
    ///
    /// @param index where it stands, counted line after line
    record Entry(int block, long index) {}
}

package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.PagedBatch;
import java.util.List;

/// One step's tiles, most work first, and where each token's keys and values go.
///
/// @param merged the first tile of each row that was cut into segments
/// @param tokenBlocks address of ints: the block of each token
/// @param tokenOffsets address of ints: its place in that block
/// @param work multiply-adds of one layer
/// @param leastBlock of all blocks read or written
record CpuAttentionPlan(
        CpuAttention owner,
        PagedBatch batch,
        List<AttentionTile> tiles,
        List<AttentionTile> merged,
        long tokenBlocks,
        long tokenOffsets,
        long work,
        int leastBlock,
        int greatestBlock)
        implements AttentionPlan {}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// The KV blocks of one sequence: a table per KV group, the reservation of the plan in progress,
/// and how many of its blocks the workers and the prefix cache know. Only the KV cache manager and
/// its parts change it.
final class SequenceBlocks {
    private final BlockTable[] tables;
    private int reserved;
    private int named;
    private int sentBlocks;
    private long producer = -1;

    SequenceBlocks(int kvGroups) {
        tables = new BlockTable[kvGroups];
        for (int group = 0; group < kvGroups; group++) {
            tables[group] = new BlockTable();
        }
    }

    /// Number of KV groups.
    int groups() {
        return tables.length;
    }

    BlockTable table(int kvGroup) {
        return tables[kvGroup];
    }

    /// Blocks in each table: all tables have one length, whatever a window dropped of them.
    int count() {
        return tables[0].size();
    }

    /// Starts after an admission whose first `shared` blocks were found: the prefix cache and the
    /// workers have their names, and the workers lack all blocks.
    ///
    /// @param foundFrom arrival of the sequence that computed them, or -1
    void admitted(int shared, long foundFrom) {
        reserved = 0;
        named = shared;
        sentBlocks = 0;
        producer = foundFrom;
    }

    /// Blocks that the plan in progress has reserved in each group.
    int reserved() {
        return reserved;
    }

    void reserve(int blocks) {
        reserved = blocks;
    }

    /// Full blocks, from the first on, whose names the workers have, and the prefix cache where
    /// there is one.
    int named() {
        return named;
    }

    void namedTo(int blocks) {
        named = blocks;
    }

    /// The blocks that the workers do not have yet, in each group; they count as sent from now on.
    int[][] takeUnsent() {
        int[][] blocks = new int[tables.length][];
        for (int group = 0; group < blocks.length; group++) {
            blocks[group] = tables[group].tail(sentBlocks);
        }
        sentBlocks = count();
        return blocks;
    }

    boolean hasUnsent() {
        return sentBlocks < count();
    }

    /// Arrival of the sequence that computed the blocks found at the last admission, or -1.
    long producer() {
        return producer;
    }
}

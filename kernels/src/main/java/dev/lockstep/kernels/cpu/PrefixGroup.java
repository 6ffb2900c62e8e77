// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.util.ArrayList;
import java.util.List;

/// Adjacent rows of one token each whose block tables begin with the same blocks, as those of
/// sequences with one prompt do: a tile of all rows reads the segments in these blocks once.
///
/// @param shared segments from the start that all rows read from the same blocks
record PrefixGroup(List<Row> rows, int shared) {
    /// The most states that the groups of a step have for each query head.
    static final int MOST_STATES = 1024;

    private static final int SEGMENT_BLOCKS = AttentionOps.SEGMENT_TOKENS / CpuPagedKv.BLOCK;

    /// A row of one token.
    ///
    /// @param blockTable address of the row's block ids
    /// @param token its index in the step
    record Row(long blockTable, int token, int position) {
        int segments() {
            return position / AttentionOps.SEGMENT_TOKENS + 1;
        }

        /// Returns the segments from the start to which both tokens attend whole, in the same
        /// blocks.
        int shared(Row other) {
            int whole = Math.min(position, other.position) / AttentionOps.SEGMENT_TOKENS;
            int blocks = 0;
            while (blocks < whole * SEGMENT_BLOCKS && block(blocks) == other.block(blocks)) {
                blocks++;
            }
            return blocks / SEGMENT_BLOCKS;
        }

        private int block(int i) {
            return AllMemory.SEGMENT.get(AllMemory.INT, blockTable + 4L * i);
        }
    }

    PrefixGroup {
        rows = List.copyOf(rows);
    }

    /// Groups rows, in ascending order of their tokens, each group while another row saves reads. A
    /// row that shares nothing is a group of its own.
    static List<PrefixGroup> of(List<Row> rows, int mostRows) {
        var groups = new ArrayList<PrefixGroup>();
        int room = MOST_STATES;
        for (int from = 0; from < rows.size(); ) {
            PrefixGroup group = new PrefixGroup(rows.subList(from, from + 1), 0);
            for (int end = from + 2; end <= rows.size() && end - from <= mostRows; end++) {
                Row added = rows.get(end - 1);
                int shared = group.sharedWith(added);
                var larger = new PrefixGroup(rows.subList(from, end), shared);
                if (larger.savedReads() <= group.savedReads()
                        || larger.states() > room
                        || added.token() != rows.get(end - 2).token() + 1) {
                    break;
                }
                group = larger;
            }
            if (group.shared > 0) {
                room -= group.states();
            }
            groups.add(group);
            from += group.rows.size();
        }
        return groups;
    }

    /// Returns the most segments of a row.
    int segments() {
        int most = 0;
        for (Row row : rows) {
            most = Math.max(most, row.segments());
        }
        return most;
    }

    /// Returns the states of one query head: of each row as many as of the longest.
    int states() {
        return rows.size() * segments();
    }

    private int savedReads() {
        return (rows.size() - 1) * shared;
    }

    private int sharedWith(Row row) {
        int shared = rows.getFirst().shared(row);
        return rows.size() == 1 ? shared : Math.min(this.shared, shared);
    }
}

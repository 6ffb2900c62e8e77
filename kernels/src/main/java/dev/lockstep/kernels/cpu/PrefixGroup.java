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
            Row first = rows.get(from);
            int shared = first.segments();
            int longest = first.segments();
            int saved = 0;
            int end = from + 1;
            while (end < rows.size() && end - from < mostRows) {
                Row added = rows.get(end);
                int fewer = Math.min(shared, first.shared(added));
                int longer = Math.max(longest, added.segments());
                boolean saves = (end - from) * fewer > saved;
                boolean fits = (end - from + 1) * longer <= room;
                if (!saves || !fits || added.token() != first.token() + end - from) {
                    break;
                }
                shared = fewer;
                longest = longer;
                saved = (end - from) * fewer;
                end++;
            }
            var group = new PrefixGroup(rows.subList(from, end), saved > 0 ? shared : 0);
            if (saved > 0) {
                room -= group.states();
            }
            groups.add(group);
            from = end;
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
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The indices that ops read from device memory and check.
public enum CheckedIndex {
    EMBEDDED_ID("embed", "id", 0),
    GATHERED_ROW("gatherRows", "row", 0),
    SCATTERED_INDEX("scatter", "index", -1),
    PLANNED_LINE("plan", "line", -1),
    PLANNED_LENGTH("plan", "length", 0),
    /// A token by its row: the rows of a step have its tokens in order.
    PLANNED_TOKEN("plan", "token", 0),
    /// Tokens before a row whose tokens attend to later ones: it has all of its sequence.
    COMPUTED_AHEAD("plan", "computed length", 0),
    ROTATED_POSITION("rotateAndStore", "position", 0),
    STORED_BLOCK("rotateAndStore", "block", 1),
    ATTENDED_BLOCK("attend", "block", 1),
    STATE_LINE("state", "line", -1),
    RESOLVED_SLOT("resolve", "slot", 0),
    SAMPLED_SLOT("sample", "slot", -1),
    SCORED_TARGET("score", "target", 0),
    RECORDED_SLOT("record", "slot", -1),
    RECORDED_ID("record", "id", 0),
    SCALED_POSITION("scaleRows", "position", 0);

    private final String op;
    private final String noun;
    private final int first;

    CheckedIndex(String op, String noun, int first) {
        this.op = op;
        this.noun = noun;
        this.first = first;
    }

    public String op() {
        return op;
    }

    /// Returns what a value numbers.
    public String noun() {
        return noun;
    }

    /// Returns the lowest value in range: 1 where the null block is refused, -1 where that is
    /// padding.
    public int first() {
        return first;
    }

    /// Throws unless `value` is at least [#first] and below `limit`.
    ///
    /// @param index where the value stands in its tensor, counted row after row
    public void require(long index, int value, int limit) {
        if (value < first || value >= limit) {
            throw new IndexException(this, index, value, limit);
        }
    }
}

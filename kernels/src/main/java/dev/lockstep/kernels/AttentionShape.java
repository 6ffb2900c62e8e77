package dev.lockstep.kernels;

/// Heads of one rank's attention. Query head h reads KV head `kvHeadOf[h]`.
///
/// A rank's heads need not divide evenly (9 query heads on 4 ranks), so the map is explicit.
///
/// @param scale multiplies q·k
public record AttentionShape(int[] kvHeadOf, int kvHeads, int headSize, float scale) {

    public AttentionShape {
        for (int head : kvHeadOf) {
            if (head < 0 || head >= kvHeads) {
                throw new IllegalArgumentException("KV head %d of %d".formatted(head, kvHeads));
            }
        }
    }

    public int queryHeads() {
        return kvHeadOf.length;
    }

    /// Columns of a fused q, k, v row: queries first, then keys, then values.
    public int qkvColumns() {
        return (queryHeads() + 2 * kvHeads) * headSize;
    }
}

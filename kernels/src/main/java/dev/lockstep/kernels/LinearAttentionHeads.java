// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The heads of one rank whose attention is a recurrence over a state `[key size, value size]`:
///
/// ```
/// DELTA:  S = decay · S;  S += k ⊗ share · (v − kᵀ S);  out = qᵀ S
/// SUM:    S = decay · S + k ⊗ share · v;                out = qᵀ S
/// ```
///
/// Delta is the gated delta rule (Yang, Kautz and Hatamizadeh 2025), sum is Mamba-2 (Dao and Gu
/// 2024), whose C, B and x are query, key and value. Value head h reads key head `(offset + h) /
/// group`; with a group of 1 there may be more value heads, which read the key heads in turn.
///
/// @param group consecutive value heads that share a key head, on all ranks
/// @param offset the place of this rank's first value head among those of its first key head; with
///   a group of 1 the key head that it reads
/// @param valueSize a multiple of 16
public record LinearAttentionHeads(
        Rule rule,
        int keyHeads,
        int valueHeads,
        int keySize,
        int valueSize,
        int group,
        int offset) {

    /// Columns of a value that are computed together.
    public static final int TILE = 16;

    /// How a token enters the state.
    public enum Rule {
        DELTA,
        SUM
    }

    public LinearAttentionHeads {
        if (keyHeads < 1 || valueHeads < 1 || keySize < 1 || group < 1 || offset < 0) {
            throw new IllegalArgumentException(
                    "linear attention of %d key heads of %d, %d value heads, %d to a key head from %d on"
                            .formatted(keyHeads, keySize, valueHeads, group, offset));
        }
        if (valueSize < 1 || valueSize % TILE != 0) {
            throw new IllegalArgumentException(
                    "value heads of %d in linear attention, must be a multiple of %d"
                            .formatted(valueSize, TILE));
        }
        boolean fits =
                group == 1
                        ? offset < keyHeads
                        : offset < group && (offset + valueHeads - 1) / group < keyHeads;
        if (!fits) {
            throw new IllegalArgumentException(
                    "%d value heads from %d on, %d to a key head, of %d key heads"
                            .formatted(valueHeads, offset, group, keyHeads));
        }
    }

    /// Returns the key head that a value head reads.
    public int keyHead(int valueHead) {
        return (offset + valueHead) / group % keyHeads;
    }

    public int keyColumns() {
        return keyHeads * keySize;
    }

    public int valueColumns() {
        return valueHeads * valueSize;
    }

    /// Returns the columns of queries, keys and values together.
    public int columns() {
        return 2 * keyColumns() + valueColumns();
    }

    /// Returns the floats of a sequence's state.
    public int stateFloats() {
        return keySize * valueColumns();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Optional;

/// What the keys and the values of one layer are divided by before they are stored as FP8, and
/// multiplied by where they are read: one for each KV head of the rank, positive.
///
/// @param keys `[1, kvHeads]` F32
/// @param values `[1, kvHeads]` F32
public record KvScales(Tensor keys, Tensor values) {

    /// Throws unless a cache of this layout is stored with these scales, or with none.
    public static void requireFor(Optional<KvScales> scales, KvLayout layout) {
        if (scales.isEmpty()) {
            return;
        }
        if (layout.type() != DType.FP8) {
            throw new IllegalArgumentException(
                    "scales of keys and values of type %s, must be %s"
                            .formatted(layout.type(), DType.FP8));
        }
        if (layout.valuesAreKeys()) {
            throw new IllegalArgumentException(
                    "scales of keys and values, whose values are the keys");
        }
        scales.get().keys().require("scales of keys", DType.F32, 1, layout.kvHeads());
        scales.get().values().require("scales of values", DType.F32, 1, layout.kvHeads());
    }
}

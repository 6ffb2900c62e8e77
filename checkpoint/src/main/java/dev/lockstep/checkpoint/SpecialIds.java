// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.OptionalInt;

/// Token ids with a special meaning.
///
/// @param eos every id that ends a text, the model's first choice first; may be empty
public record SpecialIds(OptionalInt bos, List<Integer> eos) {
    public SpecialIds {
        eos = List.copyOf(eos);
    }
}

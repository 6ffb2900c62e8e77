// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.List;
import java.util.Optional;

/// The tokens that the files next to a `tokenizer.json` declare; not yet compared with its
/// vocabulary.
///
/// @param addBos whether BOS precedes a text, if the files specify it
/// @param addEos whether EOS follows a text, where `tokenizer.json` may not put it
/// @param added tokens with their ids, which `tokenizer.json` may lack
/// @param named special tokens without ids; those that the vocabulary lacks are ignored
record SpecialNames(
        Optional<String> bos,
        Optional<String> eos,
        Optional<Boolean> addBos,
        boolean addEos,
        List<AddedToken> added,
        List<AddedToken> named) {
    static final SpecialNames NONE =
            new SpecialNames(
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    false,
                    List.of(),
                    List.of());

    SpecialNames {
        added = List.copyOf(added);
        named = List.copyOf(named);
    }
}

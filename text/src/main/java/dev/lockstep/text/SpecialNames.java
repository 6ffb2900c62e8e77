// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// The special tokens that the files next to a `tokenizer.json` declare; not yet checked against a
/// vocabulary.
///
/// @param addBos whether BOS precedes a text, if the files specify it
/// @param eosIds ids that end a text, from the generation settings; ids outside the vocabulary are
///   ignored
record SpecialNames(
        Optional<String> bos,
        Optional<String> eos,
        Optional<Boolean> addBos,
        List<Integer> eosIds) {
    static final SpecialNames NONE =
            new SpecialNames(Optional.empty(), Optional.empty(), Optional.empty(), List.of());

    SpecialNames {
        eosIds = List.copyOf(eosIds);
    }

    List<Integer> endIds(Vocabulary vocabulary) {
        Set<Integer> ids = new LinkedHashSet<>();
        for (int id : eosIds) {
            if (id >= 0 && id < vocabulary.size()) {
                ids.add(id);
            }
        }
        eos.ifPresent(name -> vocabulary.find(name).ifPresent(ids::add));
        return new ArrayList<>(ids);
    }
}

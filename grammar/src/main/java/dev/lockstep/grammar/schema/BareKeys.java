// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.Recognizer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/// Keys without quotes.
///
/// @param allowed what the names of a schema may be
record BareKeys(Regex allowed) {
    /// What keys are that the schema does not name: a model may not end them in another way.
    private static final Regex WORD =
            Language.sequence(
                    Regex.characters('a', 'z', 'A', 'Z', '_', '_'),
                    Language.repeat(
                            Regex.characters('a', 'z', 'A', 'Z', '0', '9', '_', '_', '-', '-'),
                            0,
                            63));

    private static final long MAX_WORK = 100_000;

    /// Returns the texts of a key, in which [StringText#RAW] spells it.
    Regex of(Optional<String> name, Regex keys, Expansion expansion) {
        if (name.isEmpty()) {
            return expansion.both(keys, WORD);
        }
        byte[] text = name.get().getBytes(StandardCharsets.UTF_8);
        if (!new Recognizer(MAX_WORK).matches(allowed, text)) {
            throw new SchemaException(
                    "properties",
                    "",
                    "the model's format of calls cannot write the name '%s'".formatted(name.get()));
        }
        return keys;
    }
}

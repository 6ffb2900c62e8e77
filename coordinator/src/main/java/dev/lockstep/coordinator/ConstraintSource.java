// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;

/// What a request demands of the generated text, before it is compiled.
///
/// @param field that asks for it, for error messages
/// @param content all that the grammar is made of, so that equal ones are compiled once
/// @param grammar makes the grammar, not on a thread of a request; throws an
///   `IllegalArgumentException` or a `GrammarException` that says what is wrong and where
record ConstraintSource(String field, String content, Supplier<Grammar> grammar) {
    /// No rule of a grammar that somebody wrote has such a name.
    private static final String BEHIND = "%behind";

    /// Returns the constraint of a text that begins with something else, such as reasoning up to
    /// its closing marker.
    ///
    /// @param name says in the content what comes before
    /// @param prefix ends where the constrained text begins
    ConstraintSource behind(String name, Expression prefix) {
        return new ConstraintSource(
                field,
                "behind " + name.length() + " " + name + content,
                () -> {
                    Grammar own = grammar.get();
                    Map<String, Expression> rules = new HashMap<>(own.rules());
                    rules.put(
                            BEHIND, Expression.sequence(prefix, Expression.reference(own.start())));
                    return new Grammar(rules, BEHIND);
                });
    }
}

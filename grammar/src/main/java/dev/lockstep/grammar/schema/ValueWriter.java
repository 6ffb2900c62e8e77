// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import java.util.List;
import java.util.Optional;

/// Writes the parts of values in one notation.
interface ValueWriter {
    /// What of a value can be written.
    default Value writable(Value value) {
        return value;
    }

    /// Strings, numbers and words, as alternatives.
    List<Expression> scalars(Value value);

    Brackets array();

    /// An item of an array.
    default Expression item(ShapeRules rules, Formula value) {
        return rules.reference(value);
    }

    Brackets object();

    /// A member of an object.
    ///
    /// @param name empty if the schema names no key
    /// @param keys the key, or which keys, in the spelling of the expansion
    Expression member(ShapeRules rules, Optional<String> name, Regex keys, Formula value);
}

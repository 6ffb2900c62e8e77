// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;

/// How the arguments of a call are written.
public sealed interface ArgumentForm {
    /// A JSON object.
    record Json() implements ArgumentForm {}

    /// Each argument between markers: `begin KEY opening VALUE closing`.
    ///
    /// @param values the ways to write a value; the first whose opening fits is read
    /// @param separator between two arguments
    record Tagged(String begin, List<Value> values, String separator) implements ArgumentForm {
        public Tagged {
            values = List.copyOf(values);
            if (begin.isBlank() || values.isEmpty()) {
                throw new IllegalArgumentException("tagged arguments without markers");
            }
        }
    }

    /// One way to write a tagged value.
    record Value(String opening, String closing, ValueType type) {
        public Value {
            if (opening.isBlank() || closing.isBlank()) {
                throw new IllegalArgumentException("a tagged value without markers");
            }
        }
    }

    /// What a tagged value stands for.
    enum ValueType {
        /// The function's schema tells: a string as it is, all else as JSON or a Python literal.
        BY_SCHEMA,
        STRING,
        JSON
    }

    /// `(key=value, …)` with Python literals.
    ///
    /// @param rawStrings whether the template writes strings between quotes as they are, without
    ///   escapes: a quote then ends a string only before a comma or a closing bracket
    record Python(boolean rawStrings) implements ArgumentForm {}

    /// `prefix<KEY>VALUE prefix</KEY>` for each argument and, within a value, for each member of an
    /// object; each item of an array stands in an element of one name.
    ///
    /// @param prefix before each tag
    /// @param item the name of the elements of items
    record Elements(String prefix, String item) implements ArgumentForm {
        public Elements {
            if (prefix.isBlank() || item.isBlank()) {
                throw new IllegalArgumentException("elements without a prefix or a name of items");
            }
        }
    }

    /// `{key:value,…}` with bare keys and strings between quotes of the model's own.
    record Quoted(String quote) implements ArgumentForm {
        public Quoted {
            if (quote.isEmpty()) {
                throw new IllegalArgumentException("quote is empty");
            }
        }
    }
}

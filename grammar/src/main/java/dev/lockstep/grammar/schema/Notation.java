// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Regex;
import java.util.List;
import java.util.function.Predicate;

/// How an object is written that is not JSON, such as the arguments of a call.
///
/// Every keyword of a schema counts as in JSON: what is written stands for an instance.
public sealed interface Notation {
    /// `opening (begin KEY VALUE (separator begin KEY VALUE)*)? closing`, each value in one of the
    /// forms.
    ///
    /// @param begin what stands before a key
    /// @param keys what names of properties may consist of; a schema with another one is refused
    /// @param isText whether a reader takes the value of a key for text, whatever it says; for keys
    ///   that the schema does not name, asked with the empty text
    /// @param others texts that a reader takes for something else where it need not be text
    record Members(
            Expression opening,
            Expression closing,
            Expression separator,
            Expression begin,
            List<Form> forms,
            Regex keys,
            Predicate<String> isText,
            Regex others)
            implements Notation {
        public Members {
            forms = List.copyOf(forms);
        }
    }

    /// One way to write a value behind its key.
    ///
    /// @param forbidden what a string without quotes may not contain, because a reader would take
    ///   it for the end
    record Form(Kind kind, Expression opening, Expression closing, Regex forbidden) {}

    /// What a form is for.
    enum Kind {
        /// Strings, without quotes and escapes.
        TEXT,
        /// All but strings, as JSON.
        OTHER,
        /// Strings without quotes and escapes, all else as JSON.
        EITHER,
        /// JSON, or literals of Python, which are alike but for a few words.
        LITERAL
    }

    /// `{KEY:VALUE,…}` at every depth, with bare keys and a quote of the model's own around strings
    /// without escapes.
    ///
    /// @param quoteText the quote as text, which no string may contain
    /// @param keys what names of properties may consist of; a schema with another one is refused
    record Quoted(Expression quote, Regex quoteText, Regex keys) implements Notation {}

    /// `prefix<KEY>VALUE prefix</KEY>` for each member, and the same within values; items of arrays
    /// are elements of one name. Keys that the schema does not name are not written.
    ///
    /// @param prefixText the prefix as text, which no string may contain
    /// @param item the name of the elements of items
    /// @param keys what names of properties may consist of; a schema with another one is refused
    /// @param others texts that a reader takes for something else where it need not be text
    record Elements(Expression prefix, Regex prefixText, String item, Regex keys, Regex others)
            implements Notation {}
}

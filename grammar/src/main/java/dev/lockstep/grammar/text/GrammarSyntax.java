// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Grammar;
import java.util.regex.Pattern;

/// Grammars in GBNF or in Lark's form, told apart by how a rule is defined.
public final class GrammarSyntax {
    /// Only GBNF has `::=` behind the name of a rule; in Lark's form it stands in quotes at most.
    private static final Pattern GBNF_RULE =
            Pattern.compile("^[ \\t]*[A-Za-z0-9_-]+[ \\t]*::=", Pattern.MULTILINE);

    private GrammarSyntax() {}

    /// Reads a grammar.
    ///
    /// @throws GrammarTextException with the place, if the grammar is malformed, over a limit, or
    ///   asks for what is not supported
    public static Grammar grammar(String text) {
        return GBNF_RULE.matcher(text).find() ? Gbnf.grammar(text) : Lark.grammar(text);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.RegexException;
import dev.lockstep.grammar.regex.RegexSyntax;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.SchemaException;
import dev.lockstep.grammar.schema.SchemaLimits;
import dev.lockstep.grammar.text.GrammarSyntax;
import dev.lockstep.grammar.text.GrammarTextException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Fuzz target of constraints: any schema, regular expression, grammar text or encoded grammar is
/// refused or compiled, and what was compiled can be followed and sent.
///
/// The first byte of an input says what the others are.
public final class GrammarFuzz {
    private static final GrammarLimits LIMITS =
            new GrammarLimits(100, 10_000, 4 << 20, 20_000, 10_000);

    private static final SchemaLimits SCHEMA_LIMITS = SchemaLimits.DEFAULT;
    private static final byte[] TEXT =
            "{\"a\": [1.5, \"b\", null], \"aab\"}".getBytes(StandardCharsets.UTF_8);
    private static final Bounds BOUNDS = new Bounds(256 << 20, 16 << 10);

    private GrammarFuzz() {}

    /// Called by Jazzer.
    public static void fuzzerTestOneInput(byte[] input) {
        BOUNDS.check(input, GrammarFuzz::read);
    }

    private static void read(byte[] input) {
        if (input.length == 0) {
            return;
        }
        byte[] rest = Arrays.copyOfRange(input, 1, input.length);
        String text = new String(rest, StandardCharsets.UTF_8);
        try {
            switch (input[0]) {
                case 's' -> follow(JsonSchema.grammar(text, Layout.COMPACT, SCHEMA_LIMITS));
                case 'f' -> follow(JsonSchema.grammar(text, Layout.FLEXIBLE, SCHEMA_LIMITS));
                case 'p' -> follow(RegexSyntax.whole(text, Dialect.PYTHON));
                case 'j' -> follow(RegexSyntax.whole(text, Dialect.ECMA_262));
                case 'e' -> follow(CompiledGrammar.decode(rest, LIMITS));
                default -> follow(GrammarSyntax.grammar(text));
            }
        } catch (SchemaException
                | RegexException
                | GrammarTextException
                | GrammarException refused) {
            Bounds.requireOneLine(refused);
        }
    }

    private static void follow(Regex regex) {
        follow(Grammar.of(new Expression.Terminal(regex)));
    }

    private static void follow(Grammar grammar) {
        CompiledGrammar compiled = CompiledGrammar.compile(grammar, LIMITS);
        follow(compiled);
        follow(CompiledGrammar.decode(compiled.encode(), LIMITS));
    }

    private static void follow(CompiledGrammar compiled) {
        var _ = compiled.text().matches(TEXT);
    }
}

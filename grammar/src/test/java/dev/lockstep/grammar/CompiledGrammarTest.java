// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CompiledGrammarTest {
    private static CompiledGrammar compile(Grammar grammar) {
        return CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT);
    }

    private static boolean matches(CompiledGrammar grammar, String text) {
        return grammar.text().matches(text.getBytes(StandardCharsets.UTF_8));
    }

    private static Grammar grammar(Object... namesAndRules) {
        Map<String, Expression> rules = new java.util.HashMap<>();
        for (int i = 0; i < namesAndRules.length; i += 2) {
            rules.put((String) namesAndRules[i], (Expression) namesAndRules[i + 1]);
        }
        return new Grammar(rules, (String) namesAndRules[0]);
    }

    @Test
    void aDecodedGrammarIsTheSame() {
        for (int seed = 0; seed < 400; seed++) {
            var grammars = new RandomGrammars(new Random(seed), 1);
            Grammar grammar = grammars.grammar();
            CompiledGrammar compiled;
            try {
                compiled = compile(grammar);
            } catch (GrammarException e) {
                continue;
            }
            byte[] encoded = compiled.encode();
            CompiledGrammar decoded = CompiledGrammar.decode(encoded, GrammarLimits.DEFAULT);
            assertArrayEquals(encoded, decoded.encode());
            TextMatcher one = compiled.text();
            TextMatcher other = decoded.text();
            var random = new Random(seed);
            for (int i = 0; i < 20; i++) {
                byte[] text = new byte[random.nextInt(6)];
                for (int k = 0; k < text.length; k++) {
                    text[k] = (byte) ('a' + random.nextInt(3));
                }
                assertEquals(one.matches(text), other.matches(text), "seed " + seed);
            }
        }
    }

    @Test
    void anEncodingDependsOnTheContentAlone() {
        CompiledGrammar one = compile(JsonGrammars.any());
        assertArrayEquals(one.encode(), compile(JsonGrammars.any()).encode());
        byte[] other = compile(grammar("start", Expression.text("a"))).encode();
        assertFalse(Arrays.equals(one.encode(), other));
        assertTrue(one.encode().length < 1_000, "bytes: " + one.encode().length);
    }

    @Test
    void bytesThatAreNoGrammarAreRefused() {
        byte[] encoded = compile(JsonGrammars.any()).encode();
        for (int length = 0; length < encoded.length; length++) {
            byte[] cut = Arrays.copyOf(encoded, length);
            assertThrows(
                    GrammarException.class,
                    () -> CompiledGrammar.decode(cut, GrammarLimits.DEFAULT));
        }
        var random = new Random(3);
        int refused = 0;
        for (int i = 0; i < 6_000; i++) {
            byte[] changed = encoded.clone();
            for (int k = random.nextInt(3); k >= 0; k--) {
                changed[random.nextInt(changed.length)] = (byte) random.nextInt(256);
            }
            try {
                TextMatcher matcher = CompiledGrammar.decode(changed, GrammarLimits.DEFAULT).text();
                matcher.matches("{\"a\": [1, \"b\"]}".getBytes(StandardCharsets.UTF_8));
            } catch (GrammarException e) {
                refused++;
            }
        }
        assertTrue(refused > 1_000, "refused " + refused);
    }

    @Test
    void rulesMayBeginWithThemselves() {
        // sum = sum "+" product | product; product = product "*" digit | digit
        CompiledGrammar compiled =
                compile(
                        grammar(
                                "sum",
                                Expression.choice(
                                        Expression.sequence(
                                                Expression.reference("sum"),
                                                Expression.text("+"),
                                                Expression.reference("product")),
                                        Expression.reference("product")),
                                "product",
                                Expression.choice(
                                        Expression.sequence(
                                                Expression.reference("product"),
                                                Expression.text("*"),
                                                Expression.reference("atom")),
                                        Expression.reference("atom")),
                                "atom",
                                Expression.choice(
                                        Expression.terminal(Regex.byteRange('0', '9')),
                                        Expression.sequence(
                                                Expression.text("("),
                                                Expression.reference("sum"),
                                                Expression.text(")")))));
        assertTrue(matches(compiled, "1+2*(3+4)*5+6"));
        assertFalse(matches(compiled, "1+2*(3+4)*5+"));
        assertFalse(matches(compiled, "(1"));
    }

    @Test
    void rulesMayBeginWithEachOther() {
        // a = b "x" | "p"; b = c "y" | "q"; c = a "z" | b "w"
        CompiledGrammar compiled =
                compile(
                        grammar(
                                "a",
                                Expression.choice(
                                        Expression.sequence(
                                                Expression.reference("b"), Expression.text("x")),
                                        Expression.text("p")),
                                "b",
                                Expression.choice(
                                        Expression.sequence(
                                                Expression.reference("c"), Expression.text("y")),
                                        Expression.text("q")),
                                "c",
                                Expression.choice(
                                        Expression.sequence(
                                                Expression.reference("a"), Expression.text("z")),
                                        Expression.sequence(
                                                Expression.reference("b"), Expression.text("w")))));
        for (String text : new String[] {"p", "qx", "pzyx", "qwyx", "qxzyx", "pzywyx"}) {
            assertTrue(matches(compiled, text), text);
        }
        for (String text : new String[] {"", "q", "pz", "pzy", "qwx", "px"}) {
            assertFalse(matches(compiled, text), text);
        }
    }

    @Test
    void aRuleThatBeginsWithItselfUnseenIsRefusedByName() {
        GrammarException e =
                assertThrows(
                        GrammarException.class,
                        () ->
                                compile(
                                        grammar(
                                                "list",
                                                Expression.choice(
                                                        Expression.text("x"),
                                                        Expression.sequence(
                                                                Expression.optional(
                                                                        Expression.text("-")),
                                                                Expression.reference("list"),
                                                                Expression.text("y"))))));
        assertEquals(
                "rule list begins with itself behind something that may be empty", e.getMessage());
    }

    @Test
    void aGrammarThatMatchesNothingIsRefused() {
        for (Expression each :
                new Expression[] {
                    Expression.terminal(Regex.NOTHING),
                    Expression.choice(),
                    Expression.sequence(Expression.text("a"), Expression.reference("start")),
                    Expression.terminal(Regex.and(Regex.text("ab"), Regex.plus(Regex.text("a"))))
                }) {
            GrammarException e =
                    assertThrows(GrammarException.class, () -> compile(grammar("start", each)));
            assertEquals("the grammar matches nothing", e.getMessage());
        }
    }

    @Test
    void whatCannotBeEndedCannotBeBegun() {
        CompiledGrammar compiled =
                compile(
                        grammar(
                                "start",
                                Expression.choice(
                                        Expression.text("ab"),
                                        Expression.sequence(
                                                Expression.text("ac"),
                                                Expression.reference("endless"))),
                                "endless",
                                Expression.sequence(
                                        Expression.text("d"), Expression.reference("endless"))));
        assertEquals(1, compiled.text().accept("acd".getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void aMissingRuleIsRefusedByName() {
        GrammarException e =
                assertThrows(
                        GrammarException.class,
                        () -> compile(grammar("start", Expression.reference("other"))));
        assertEquals("the grammar has no rule other", e.getMessage());
    }

    @Test
    void numbersOfTimesMeetOnlyWhereEachTextHasOneOfThem() {
        CompiledGrammar strings =
                compile(
                        grammar(
                                "start",
                                Expression.terminal(
                                        Regex.and(
                                                JsonGrammars.string(2, Regex.UNBOUNDED),
                                                JsonGrammars.string(0, 4)))));
        // two or three times one or two letters, and four or five times
        Regex letters = Regex.union(Regex.text("a"), Regex.text("aa"));
        CompiledGrammar ambiguous =
                compile(
                        grammar(
                                "start",
                                Expression.terminal(
                                        Regex.and(
                                                new Regex.Repeat(letters, 2, 3),
                                                new Regex.Repeat(letters, 4, 5)))));
        for (int length = 0; length < 12; length++) {
            String text = "a".repeat(length);
            assertEquals(2 <= length && length <= 4, matches(strings, "\"" + text + "\""), text);
            assertEquals(4 <= length && length <= 6, matches(ambiguous, text), text);
        }
    }
}

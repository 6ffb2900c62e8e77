// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static dev.lockstep.grammar.Expression.choice;
import static dev.lockstep.grammar.Expression.optional;
import static dev.lockstep.grammar.Expression.reference;
import static dev.lockstep.grammar.Expression.sequence;
import static dev.lockstep.grammar.Expression.star;
import static dev.lockstep.grammar.Expression.terminal;
import static dev.lockstep.grammar.Expression.text;

import java.util.Map;

/// Grammars of JSON by hand.
final class JsonGrammars {
    static final Regex CHARACTER =
            Regex.union(
                    Regex.charactersExcept(0, 0x1F, '"', '"', '\\', '\\'),
                    Regex.sequence(
                            Regex.text("\\"),
                            Regex.union(
                                    Regex.characters(
                                            '"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n',
                                            'n', 'r', 'r', 't', 't'),
                                    Regex.sequence(
                                            Regex.text("u"),
                                            new Regex.Repeat(
                                                    Regex.characters('0', '9', 'a', 'f', 'A', 'F'),
                                                    4,
                                                    4)))));
    static final Regex STRING = string(0, Regex.UNBOUNDED);
    private static final Regex DIGITS = Regex.plus(Regex.byteRange('0', '9'));
    static final Regex NUMBER =
            Regex.sequence(
                    Regex.optional(Regex.text("-")),
                    Regex.union(
                            Regex.text("0"),
                            Regex.sequence(
                                    Regex.byteRange('1', '9'),
                                    Regex.star(Regex.byteRange('0', '9')))),
                    Regex.optional(Regex.sequence(Regex.text("."), DIGITS)),
                    Regex.optional(
                            Regex.sequence(
                                    Regex.characters('e', 'e', 'E', 'E'),
                                    Regex.optional(Regex.characters('-', '-', '+', '+')),
                                    DIGITS)));

    private JsonGrammars() {}

    static Regex string(int min, int max) {
        return Regex.sequence(
                Regex.text("\""), new Regex.Repeat(CHARACTER, min, max), Regex.text("\""));
    }

    /// Any JSON, with white space of at most one blank after `,` and `:` or none.
    static Grammar any() {
        Expression value =
                choice(
                        terminal(STRING),
                        terminal(NUMBER),
                        text("true"),
                        text("false"),
                        text("null"),
                        reference("array"),
                        reference("object"));
        Expression comma = sequence(text(","), optional(text(" ")));
        Expression member =
                sequence(terminal(STRING), text(":"), optional(text(" ")), reference("value"));
        return new Grammar(
                Map.of(
                        "value",
                        value,
                        "member",
                        member,
                        "array",
                        sequence(
                                text("["),
                                optional(
                                        sequence(
                                                reference("value"),
                                                star(sequence(comma, reference("value"))))),
                                text("]")),
                        "object",
                        sequence(
                                text("{"),
                                optional(
                                        sequence(
                                                reference("member"),
                                                star(sequence(comma, reference("member"))))),
                                text("}"))),
                "value");
    }
}

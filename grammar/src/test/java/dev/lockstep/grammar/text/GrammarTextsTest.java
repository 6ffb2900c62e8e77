// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.TextMatcher;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GrammarTextsTest {
    private static void check(Grammar grammar, List<String> in, List<String> out) {
        TextMatcher matcher = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT).text();
        in.forEach(text -> assertTrue(accepts(matcher, text), text));
        out.forEach(text -> assertFalse(accepts(matcher, text), text));
    }

    private static boolean accepts(TextMatcher matcher, String text) {
        return matcher.matches(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void gbnfHasRulesGroupsClassesAndCounts() {
        check(
                Gbnf.grammar(
                        """
                        # a sum
                        root ::= (
                          term ([+-] term){0,2}   # at most three
                        ) "\\n"?
                        term ::= num | "(" root ")" |
                          name
                        num  ::= [0-9]+ ("." [^a-zA-Z+()\\n-]{1,2})?
                        name ::= [a-zé😀_]{2,} "\\u00e4" .
                        """),
                List.of("1+2-3", "1.22\n", "(1+(2))", "abäz", "é😀ä漢\n"),
                List.of("1+2-3+4", "1.", "aäz", "1+", "", "1.223"));
    }

    @Test
    void larkHasTerminalsImportsAndWhatIsIgnored() {
        check(
                Lark.grammar(
                        """
                        // a list of assignments
                        start: _line+
                        _line: NAME "=" value ";" -> line
                        ?value.2: NUMBER
                            | ESCAPED_STRING
                            | "[" [value ("," value)*] "]"   // nested
                            | "yes"i
                            | HEX ~ 2..3
                        NAME: LETTER ("_" | LETTER | "0".."9")*
                        HEX: /x[0-9a-f]{2}/i
                        %import common.LETTER
                        %import common (NUMBER, ESCAPED_STRING)
                        %import common.WS -> SPACE
                        %ignore SPACE
                        %ignore /#[^\\n]*/
                        """),
                List.of("a=1;", "  a = 1.5e3 ; # c\nb_2=[\"x\\\"y\",[ ]];", "q=YeS;", "h=Xaax01;"),
                List.of("", "a=1", "2=1;", "a=[1,];", "h=xaa;", "a=y es;"));
    }

    @Test
    void aChoiceIsExactlyItsTexts() {
        check(
                TextChoice.grammar(List.of("yes", "yesterday", "no", "né", "")),
                List.of("yes", "yesterday", "no", "né", ""),
                List.of("y", "yesno", "n", "yester"));
        assertThrows(IllegalArgumentException.class, () -> TextChoice.grammar(List.of()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "root ::= \"a|1|12|too early",
                "root ::= a|1|10|not defined",
                "a ::= \"b\"|1|1|'root'",
                "root ::= ( \"a\"|1|15|')'",
                "root ::= [b-a]|1|11|ends before",
                "root ::= \"a\"{3,2}|1|13|3 to 2",
                "root ::= \"a\"{99999}|1|14|limit",
                "root ::= <think>|1|10|tokens",
                "root ::= \"\\q\"|1|11|escape"
            })
    void gbnfIsRefusedWithItsPlace(String gbnf, int line, int column, String what) {
        GrammarTextException refused =
                assertThrows(GrammarTextException.class, () -> Gbnf.grammar(gbnf));
        assertTrue(String.valueOf(refused.getMessage()).contains(what), refused.getMessage());
        assertEquals(line, refused.line(), refused.getMessage());
        assertEquals(column, refused.column(), refused.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "start: a|'a' is not defined",
                "a: \"b\"|'start'",
                "start: A;A: B;B: A|made of itself",
                "start: A;A: b;b: \"c\"|stands in a terminal",
                "start: /(a)\\1/|backreference",
                "start: \"a\";%declare B|%declare",
                "start: <think>|special tokens",
                "start: \"a\";start: \"b\"|twice",
                "start: \"a\" ~ 3..2|3 to 2",
                "start: \"a\" )|expected"
            })
    void larkIsRefusedWithAReason(String lark, String what) {
        GrammarTextException refused =
                assertThrows(
                        GrammarTextException.class, () -> Lark.grammar(lark.replace(';', '\n')));
        assertTrue(String.valueOf(refused.getMessage()).contains(what), refused.getMessage());
    }

    @Test
    void theTwoFormsAreToldApart() {
        for (String gbnf :
                new String[] {
                    "root ::= \"a\"", "# start: x\nroot  ::= \"a\"", "a-b ::= \"a\"\nroot ::= a-b"
                }) {
            check(GrammarSyntax.grammar(gbnf), List.of("a"), List.of("b"));
        }
        for (String lark :
                new String[] {"start: \"a\"", "// x ::= y\nstart: \"a\"\n | \"b ::=\""}) {
            check(GrammarSyntax.grammar(lark), List.of("a"), List.of("b"));
        }
    }
}

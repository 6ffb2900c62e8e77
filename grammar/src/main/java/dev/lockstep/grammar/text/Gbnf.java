// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Alphabet;
import dev.lockstep.grammar.regex.CodePoints;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Grammars in llama.cpp's GBNF; the rule `root` is the whole.
public final class Gbnf {
    private static final String NAME = "-_";

    private final GrammarText text;
    private final Map<String, Expression> rules = new LinkedHashMap<>();
    private final Map<String, Integer> used = new LinkedHashMap<>();
    private int depth;

    private Gbnf(String grammar) {
        this.text = new GrammarText(grammar);
    }

    /// Reads a grammar.
    ///
    /// @throws GrammarTextException with the place, if the grammar is malformed or over a limit
    public static Grammar grammar(String gbnf) {
        return new Gbnf(gbnf).read();
    }

    private Grammar read() {
        space(true);
        while (!text.atEnd()) {
            rule();
        }
        used.forEach(
                (name, place) -> {
                    if (!rules.containsKey(name)) {
                        throw text.error("the rule '" + name + "' is not defined", place);
                    }
                });
        if (!rules.containsKey("root")) {
            throw text.error("the rule 'root' is not defined", 0);
        }
        return new Grammar(rules, "root");
    }

    private void rule() {
        int place = text.place();
        String name = text.word(NAME);
        if (name.isEmpty()) {
            throw text.error("a rule is expected");
        }
        space(false);
        text.require("::=");
        space(true);
        Expression expression = alternatives(false);
        if (!text.atEnd() && text.peek() != '\n' && text.peek() != '\r') {
            throw text.error("'" + text.peek() + "' is not expected");
        }
        if (rules.put(name, expression) != null) {
            throw text.error("the rule '" + name + "' is defined twice", place);
        }
        if (rules.size() > GrammarText.MAX_RULES) {
            throw text.error("more than %d rules".formatted(GrammarText.MAX_RULES), place);
        }
        space(true);
    }

    private void space(boolean lines) {
        while (!text.atEnd()) {
            char c = text.peek();
            if (c == '#') {
                while (!text.atEnd() && text.peek() != '\n' && text.peek() != '\r') {
                    text.codePoint();
                }
            } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
                text.codePoint();
            } else {
                return;
            }
        }
    }

    private Expression alternatives(boolean nested) {
        if (++depth > GrammarText.MAX_DEPTH) {
            throw text.error("groups deeper than " + GrammarText.MAX_DEPTH);
        }
        var options = new ArrayList<Expression>();
        do {
            space(true);
            options.add(sequence(nested));
        } while (text.skip("|"));
        depth--;
        return Parts.choice(options);
    }

    private Expression sequence(boolean nested) {
        var items = new ArrayList<Expression>();
        while (true) {
            Expression item;
            char c = text.peek();
            if (c == '"') {
                text.codePoint();
                item = literal();
            } else if (c == '[') {
                text.codePoint();
                item = characters();
            } else if (c == '(') {
                text.codePoint();
                space(true);
                item = alternatives(true);
                text.require(")");
            } else if (c == '.') {
                text.codePoint();
                item = new Expression.Terminal(Alphabet.UTF_8.of(CodePoints.ALL));
            } else if (c == '<' || c == '!') {
                throw text.error("tokens by name or number are not supported");
            } else {
                int place = text.place();
                String name = text.word(NAME);
                if (name.isEmpty()) {
                    return Parts.sequence(items);
                }
                used.putIfAbsent(name, place);
                item = new Expression.Reference(name);
            }
            space(nested);
            items.add(repeated(item, nested));
        }
    }

    private Expression repeated(Expression item, boolean nested) {
        Expression all = item;
        while (true) {
            int min = 0;
            int max = Regex.UNBOUNDED;
            int place = text.place();
            if (text.skip("*")) {
                min = 0;
            } else if (text.skip("+")) {
                min = 1;
            } else if (text.skip("?")) {
                max = 1;
            } else if (text.skip("{")) {
                space(nested);
                min = text.peek() == ',' ? 0 : text.number();
                max = min;
                space(nested);
                if (text.skip(",")) {
                    space(nested);
                    max = text.peek() == '}' ? Regex.UNBOUNDED : text.number();
                    space(nested);
                }
                text.require("}");
                if (max != Regex.UNBOUNDED && max < min) {
                    throw text.error("a repetition of %d to %d times".formatted(min, max), place);
                }
            } else {
                return all;
            }
            space(nested);
            all = Parts.repeat(all, min, max);
        }
    }

    private Expression literal() {
        var content = new StringBuilder();
        while (text.peek() != '"' || text.atEnd()) {
            int c = text.codePoint();
            content.appendCodePoint(c == '\\' ? text.escaped() : c);
        }
        text.codePoint();
        return new Expression.Terminal(Language.text(content.toString()));
    }

    private Expression characters() {
        boolean negated = text.skip("^");
        CodePoints set = CodePoints.NONE;
        while (text.peek() != ']' || text.atEnd()) {
            int place = text.place();
            int first = character();
            int last = first;
            int dash = text.place();
            if (text.skip("-")) {
                if (text.peek() == ']') {
                    text.moveTo(dash);
                } else {
                    last = character();
                }
            }
            if (last < first) {
                throw text.error("a range that ends before it begins", place);
            }
            set = set.union(CodePoints.range(first, last));
        }
        text.codePoint();
        List<Regex> one = List.of(Alphabet.UTF_8.of(negated ? set.complement() : set));
        return new Expression.Terminal(Language.sequence(one));
    }

    private int character() {
        int c = text.codePoint();
        return c == '\\' ? text.escaped() : c;
    }
}

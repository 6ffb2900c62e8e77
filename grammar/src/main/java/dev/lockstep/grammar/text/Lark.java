// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// Grammars in Lark's form; the rule `start` is the whole.
///
/// Names in capitals are terminals, and may not be recursive. What `%ignore` names may stand before
/// and behind every terminal of a rule. There is no lexer, so priorities mean nothing, and a
/// keyword is also a name if the expression of names has it.
public final class Lark {
    private final GrammarText text;
    private final LarkParser parser;
    private final Map<String, Regex> terminals = new HashMap<>();
    private final Set<String> open = new HashSet<>();
    private Regex ignored = Language.EMPTY;

    private Lark(String grammar) {
        this.text = new GrammarText(grammar);
        this.parser = new LarkParser(text);
    }

    /// Reads a grammar.
    ///
    /// @throws GrammarTextException with the place, if the grammar is malformed, over a limit, or
    ///   asks for what is not supported
    public static Grammar grammar(String lark) {
        return new Lark(lark).read();
    }

    private Grammar read() {
        parser.read();
        if (!parser.definitions.containsKey("start")) {
            throw text.error("the rule 'start' is not defined", 0);
        }
        var skipped = new ArrayList<Regex>();
        parser.ignored.forEach(tree -> skipped.add(regex(tree)));
        if (!skipped.isEmpty()) {
            ignored = Language.repeat(Language.union(skipped), 0, Regex.UNBOUNDED);
        }
        var rules = new LinkedHashMap<String, Expression>();
        parser.definitions.forEach(
                (name, tree) -> {
                    if (isTerminal(name)) {
                        terminal(name, parser.places.getOrDefault(name, 0));
                    } else {
                        rules.put(name, expression(tree));
                    }
                });
        if (ignored.equals(Language.EMPTY)) {
            return new Grammar(rules, "start");
        }
        String whole = "%start"; // No rule has such a name.
        rules.put(
                whole,
                new Expression.Sequence(
                        List.of(
                                new Expression.Terminal(ignored),
                                new Expression.Reference("start"))));
        return new Grammar(rules, whole);
    }

    private static boolean isTerminal(String name) {
        return name.equals(name.toUpperCase(Locale.ROOT));
    }

    private Regex terminal(String name, int place) {
        Regex known = terminals.get(name);
        if (known != null) {
            return known;
        }
        LarkTree tree = parser.definitions.get(name);
        if (tree == null) {
            throw text.error("'" + name + "' is not defined", place);
        }
        if (!open.add(name)) {
            throw text.error("the terminal '" + name + "' is made of itself", place);
        }
        Regex regex = regex(tree);
        open.remove(name);
        terminals.put(name, regex);
        return regex;
    }

    private Regex regex(LarkTree tree) {
        return switch (tree) {
            case LarkTree.Leaf(Regex regex) -> regex;
            case LarkTree.Name(String name, int place) -> {
                if (!isTerminal(name)) {
                    throw text.error("the rule '" + name + "' stands in a terminal", place);
                }
                yield terminal(name, place);
            }
            case LarkTree.Sequence(List<LarkTree> items) ->
                    Language.sequence(items.stream().map(this::regex).toList());
            case LarkTree.Choice(List<LarkTree> options) ->
                    Language.union(options.stream().map(this::regex).toList());
            case LarkTree.Repeat(LarkTree item, int min, int max) ->
                    Language.repeat(regex(item), min, max);
        };
    }

    private Expression expression(LarkTree tree) {
        return switch (tree) {
            case LarkTree.Leaf(Regex regex) -> token(regex);
            case LarkTree.Name(String name, int place) -> {
                if (isTerminal(name)) {
                    yield token(terminal(name, place));
                }
                if (!parser.definitions.containsKey(name)) {
                    throw text.error("'" + name + "' is not defined", place);
                }
                yield new Expression.Reference(name);
            }
            case LarkTree.Sequence(List<LarkTree> items) ->
                    Parts.sequence(items.stream().map(this::expression).toList());
            case LarkTree.Choice(List<LarkTree> options) ->
                    Parts.choice(options.stream().map(this::expression).toList());
            case LarkTree.Repeat(LarkTree item, int min, int max) ->
                    Parts.repeat(expression(item), min, max);
        };
    }

    private Expression token(Regex regex) {
        return new Expression.Terminal(Language.sequence(regex, ignored));
    }
}

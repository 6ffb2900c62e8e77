// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Alphabet;
import dev.lockstep.grammar.regex.CodePoints;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexException;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Reads the text of a Lark grammar into trees by name.
final class LarkParser {
    private final GrammarText text;
    final Map<String, LarkTree> definitions = new LinkedHashMap<>();
    final Map<String, Integer> places = new HashMap<>();
    final List<LarkTree> ignored = new ArrayList<>();
    private int depth;

    LarkParser(GrammarText text) {
        this.text = text;
    }

    void read() {
        space();
        while (!text.atEnd()) {
            if (text.peek() == '%') {
                directive();
            } else {
                definition();
            }
            space();
        }
    }

    /// White space, line ends and comments.
    private void space() {
        while (!text.atEnd()) {
            if (text.startsWith("//") || text.peek() == '#') {
                while (!text.atEnd() && text.peek() != '\n') {
                    text.codePoint();
                }
            } else if (" \t\r\n".indexOf(text.peek()) >= 0) {
                text.codePoint();
            } else {
                return;
            }
        }
    }

    private void inline() {
        while (!text.atEnd() && (text.peek() == ' ' || text.peek() == '\t')) {
            text.codePoint();
        }
    }

    private void directive() {
        int place = text.place();
        text.require("%");
        String kind = text.word("_");
        inline();
        switch (kind) {
            case "ignore" -> ignored.add(choice());
            case "import" -> imported();
            default -> throw text.error("%" + kind + " is not supported", place);
        }
    }

    /// `%import common.NAME`, `%import common.NAME -> OTHER` or `%import common (A, B)`.
    private void imported() {
        int place = text.place();
        String module = text.word("_");
        if (!module.equals("common")) {
            throw text.error("imports other than from 'common' are not supported", place);
        }
        if (text.skip(".")) {
            String name = text.word("_");
            inline();
            String as = name;
            if (text.skip("->")) {
                inline();
                as = text.word("_");
            }
            bring(name, as, place);
            return;
        }
        inline();
        text.require("(");
        do {
            inline();
            String name = text.word("_");
            bring(name, name, place);
            inline();
        } while (text.skip(","));
        text.require(")");
    }

    private void bring(String name, String as, int place) {
        Optional<Regex> regex = LarkCommon.named(name);
        if (regex.isEmpty()) {
            throw text.error("'common' has no '" + name + "'", place);
        }
        define(as, new LarkTree.Leaf(regex.get()), place);
    }

    private void define(String name, LarkTree tree, int place) {
        if (definitions.put(name, tree) != null) {
            throw text.error("'" + name + "' is defined twice", place);
        }
        places.put(name, place);
        if (definitions.size() > GrammarText.MAX_RULES) {
            throw text.error("more than %d rules".formatted(GrammarText.MAX_RULES), place);
        }
    }

    private void definition() {
        int place = text.place();
        while (text.skip("?") || text.skip("!")) {
            // They say how a tree is built, which no text shows.
        }
        String name = text.word("_");
        if (name.isEmpty()) {
            throw text.error("a rule or terminal is expected");
        }
        if (text.peek() == '{' || text.peek() == '[') {
            throw text.error("templates and attributes of rules are not supported");
        }
        if (text.skip(".")) {
            text.skip("-");
            text.number(); // Without a lexer, no terminal has priority over another.
        }
        inline();
        text.require(":");
        define(name, choice(), place);
    }

    private LarkTree choice() {
        if (++depth > GrammarText.MAX_DEPTH) {
            throw text.error("groups deeper than " + GrammarText.MAX_DEPTH);
        }
        var options = new ArrayList<LarkTree>();
        do {
            options.add(sequence());
        } while (nextOption());
        depth--;
        return options.size() == 1 ? options.getFirst() : new LarkTree.Choice(options);
    }

    /// The bar of a further option may begin the next line.
    private boolean nextOption() {
        int place = text.place();
        space();
        if (text.skip("|")) {
            return true;
        }
        text.moveTo(place);
        return false;
    }

    private LarkTree sequence() {
        var items = new ArrayList<LarkTree>();
        while (true) {
            int place = text.place();
            if (depth > 1) {
                space();
            } else {
                inline();
            }
            Optional<LarkTree> item = item();
            if (item.isEmpty()) {
                if (text.skip("->")) {
                    inline();
                    text.word("_");
                    inline();
                } else if (!text.atEnd() && "|)]\r\n#/".indexOf(text.peek()) < 0) {
                    throw text.error("'" + text.peek() + "' is not expected");
                } else if (depth == 1) {
                    text.moveTo(place);
                }
                return items.size() == 1 ? items.getFirst() : new LarkTree.Sequence(items);
            }
            items.add(repeated(item.get()));
        }
    }

    private Optional<LarkTree> item() {
        int place = text.place();
        if (text.skip("(") || text.skip("[")) {
            boolean optional = text.rest(place).equals("[");
            LarkTree inside = choice();
            space();
            text.require(optional ? "]" : ")");
            return Optional.of(optional ? new LarkTree.Repeat(inside, 0, 1) : inside);
        }
        if (text.peek() == '"') {
            return Optional.of(new LarkTree.Leaf(literal()));
        }
        if (text.peek() == '/' && !text.startsWith("//")) {
            return Optional.of(new LarkTree.Leaf(expression()));
        }
        if (text.peek() == '<' || text.peek() == '%') {
            throw text.error("special tokens and grammars within grammars are not supported");
        }
        String name = text.word("_");
        return name.isEmpty() ? Optional.empty() : Optional.of(new LarkTree.Name(name, place));
    }

    private LarkTree repeated(LarkTree item) {
        LarkTree all = item;
        while (true) {
            int place = text.place();
            if (text.skip("*")) {
                all = new LarkTree.Repeat(all, 0, Regex.UNBOUNDED);
            } else if (text.skip("+")) {
                all = new LarkTree.Repeat(all, 1, Regex.UNBOUNDED);
            } else if (text.skip("?")) {
                all = new LarkTree.Repeat(all, 0, 1);
            } else {
                inline();
                if (text.skip("{")) {
                    all = counted(all, place, ",", "}");
                } else if (text.skip("~")) {
                    all = counted(all, place, "..", "");
                } else {
                    text.moveTo(place);
                    return all;
                }
            }
        }
    }

    private LarkTree counted(LarkTree item, int place, String between, String end) {
        inline();
        int min = text.startsWith(",") ? 0 : text.number();
        int max = min;
        inline();
        if (text.skip(between)) {
            inline();
            max = !end.isEmpty() && text.startsWith(end) ? Regex.UNBOUNDED : text.number();
            inline();
        }
        text.require(end);
        if (max != Regex.UNBOUNDED && max < min) {
            throw text.error("a repetition of %d to %d times".formatted(min, max), place);
        }
        return new LarkTree.Repeat(item, min, max);
    }

    private Regex literal() {
        int place = text.place();
        String first = quoted();
        int after = text.place();
        inline();
        if (text.skip("..")) {
            inline();
            String last = quoted();
            if (first.codePointCount(0, first.length()) != 1
                    || last.codePointCount(0, last.length()) != 1
                    || first.codePointAt(0) > last.codePointAt(0)) {
                throw text.error("a range of characters is malformed", place);
            }
            return Alphabet.UTF_8.of(CodePoints.range(first.codePointAt(0), last.codePointAt(0)));
        }
        text.moveTo(after);
        if (text.peek() == 'i') {
            text.codePoint();
            return regex("(?i)" + escape(first), place);
        }
        return Language.text(first);
    }

    private static String escape(String content) {
        var escaped = new StringBuilder();
        content.codePoints()
                .forEach(
                        c -> {
                            if (c < 0x80 && !Character.isLetterOrDigit(c)) {
                                escaped.append(c < 0x20 ? "\\x%02x".formatted(c) : "\\" + (char) c);
                            } else {
                                escaped.appendCodePoint(c);
                            }
                        });
        return escaped.toString();
    }

    private String quoted() {
        text.require("\"");
        var content = new StringBuilder();
        while (text.peek() != '"' || text.atEnd()) {
            int c = text.codePoint();
            if (c == '\n') {
                throw text.error("a string over several lines");
            }
            content.appendCodePoint(c == '\\' ? text.escaped() : c);
        }
        text.codePoint();
        return content.toString();
    }

    private Regex expression() {
        int place = text.place();
        text.require("/");
        int from = text.place();
        while (text.peek() != '/' || text.atEnd()) {
            int c = text.codePoint();
            if (c == '\\') {
                text.codePoint();
            }
        }
        String pattern = text.rest(from).replace("\\/", "/");
        text.codePoint();
        var flags = new StringBuilder();
        while (!text.atEnd() && "imslux".indexOf(text.peek()) >= 0) {
            flags.append((char) text.codePoint());
        }
        return regex(flags.isEmpty() ? pattern : "(?" + flags + ")" + pattern, place);
    }

    private Regex regex(String pattern, int place) {
        try {
            return RegexSyntax.whole(pattern, Dialect.PYTHON);
        } catch (RegexException refused) {
            throw text.error(String.valueOf(refused.getMessage()), place);
        }
    }
}

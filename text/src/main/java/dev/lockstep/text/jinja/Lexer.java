// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.List;

/// A lexer that splits a template into plain text and tags, and applies whitespace control.
///
/// `trim_blocks` drops the newline after a block or comment tag, `lstrip_blocks` the blanks before
/// a tag that is first in its line; `-` strips all whitespace on its side and `+` keeps it. Output
/// tags support only `-`.
final class Lexer {
    private final String source;
    private final List<TemplateToken> tokens = new ArrayList<>();
    private int position;
    private int line = 1;

    private Lexer(String source) {
        this.source = source;
    }

    static List<TemplateToken> tokenize(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        var lexer = new Lexer(source);
        lexer.run();
        return lexer.tokens;
    }

    private void run() {
        int begin;
        while ((begin = nextTag()) >= 0) {
            char kind = source.charAt(begin + 1);
            int afterSign = begin + 2;
            char sign = signAt(afterSign);
            if (sign != 0) {
                afterSign++;
            }
            data(begin, sign, kind != '{');
            switch (kind) {
                case '{' -> tag(Kind.OUTPUT_BEGIN, Kind.OUTPUT_END, afterSign);
                case '#' -> comment(afterSign);
                default -> block(afterSign);
            }
        }
        add(Kind.DATA, source.substring(position));
        advance(source.length());
        tokens.add(new TemplateToken(Kind.END, "", line));
    }

    private int nextTag() {
        int at = position;
        while ((at = source.indexOf('{', at)) >= 0 && at + 1 < source.length()) {
            char next = source.charAt(at + 1);
            if (next == '{' || next == '%' || next == '#') {
                return at;
            }
            at++;
        }
        return -1;
    }

    private char signAt(int at) {
        char sign = at < source.length() ? source.charAt(at) : 0;
        return sign == '-' || sign == '+' ? sign : 0;
    }

    /// Emits the text up to a tag, stripped according to the tag's sign.
    private void data(int end, char sign, boolean stripsLine) {
        String text = source.substring(position, end);
        if (sign == '-') {
            text = CharacterTests.stripEnd(text);
        } else if (sign == 0 && stripsLine) {
            int lineStart = text.lastIndexOf('\n') + 1;
            boolean startsLine =
                    lineStart > 0 || position == 0 || source.charAt(position - 1) == '\n';
            if (startsLine && CharacterTests.isBlank(text.substring(lineStart))) {
                text = text.substring(0, lineStart);
            }
        }
        add(Kind.DATA, text);
        advance(end);
    }

    private void comment(int body) {
        int end = source.indexOf("#}", body);
        if (end < 0) {
            throw new TemplateException("comment without its end '#}'", line);
        }
        char sign = end > body ? signAt(end - 1) : 0;
        advance(end + 2);
        afterTag(sign, true);
    }

    private void block(int body) {
        int word = CharacterTests.skipSpace(source, body);
        int rawEnd = source.startsWith("raw", word) ? endOfRawTag(word + 3, false) : -1;
        if (rawEnd < 0) {
            tag(Kind.BLOCK_BEGIN, Kind.BLOCK_END, body);
            return;
        }
        int opened = line;
        advance(rawEnd);
        for (int at = rawEnd; (at = source.indexOf("{%", at)) >= 0; at++) {
            char sign = signAt(at + 2);
            int name = CharacterTests.skipSpace(source, at + (sign == 0 ? 2 : 3));
            int end = source.startsWith("endraw", name) ? endOfRawTag(name + 6, true) : -1;
            if (end >= 0) {
                data(at, sign, true);
                advance(end);
                return;
            }
        }
        throw new TemplateException("raw block without its 'endraw'", opened);
    }

    /// Returns the position after `-%}`, `+%}` or `%}` and the whitespace it strips, or -1 without
    /// such an end.
    private int endOfRawTag(int from, boolean closing) {
        int at = CharacterTests.skipSpace(source, from);
        char sign = signAt(at);
        if (sign != 0) {
            at++;
        }
        if (!source.startsWith("%}", at) || (sign == '+' && !closing)) {
            return -1;
        }
        int end = at + 2;
        if (sign == '-') {
            return CharacterTests.skipSpace(source, end);
        }
        boolean trims = closing && sign == 0 && end < source.length() && source.charAt(end) == '\n';
        return trims ? end + 1 : end;
    }

    private void tag(Kind begin, Kind end, int body) {
        tokens.add(new TemplateToken(begin, "", line));
        advance(body);
        var inner = new TagLexer(source, body, line, end == Kind.BLOCK_END ? "%}" : "}}");
        tokens.addAll(inner.tokens());
        advance(inner.end());
        tokens.add(new TemplateToken(end, "", line));
        advance(inner.end() + (inner.sign() == 0 ? 2 : 3));
        afterTag(inner.sign(), end == Kind.BLOCK_END);
    }

    private void afterTag(char sign, boolean trims) {
        if (sign == '-') {
            advance(CharacterTests.skipSpace(source, position));
        } else if (trims
                && sign == 0
                && position < source.length()
                && source.charAt(position) == '\n') {
            advance(position + 1);
        }
    }

    private void add(Kind kind, String text) {
        if (!text.isEmpty()) {
            tokens.add(new TemplateToken(kind, text, line));
        }
    }

    private void advance(int to) {
        for (int at = position; at < to; at++) {
            if (source.charAt(at) == '\n') {
                line++;
            }
        }
        position = to;
    }
}

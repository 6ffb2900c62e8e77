// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// The text operations of the named normalizers in tokenizer files.
final class Normalizers {
    private Normalizers() {}

    /// Lowercases each character regardless of its position: a final sigma becomes a plain one.
    static String lowercase(String text) {
        var result = new StringBuilder(text.length());
        text.codePoints()
                .forEach(
                        codePoint -> {
                            if (codePoint == 'İ') {
                                result.append("i\u0307");
                            } else {
                                result.appendCodePoint(Character.toLowerCase(codePoint));
                            }
                        });
        return result.toString();
    }

    /// Removes combining marks; to strip accents, decompose the text first.
    static String stripAccents(String text) {
        return filter(text, codePoint -> !Characters.is(codePoint, Characters.MARK));
    }

    static String strip(String text, boolean left, boolean right) {
        int start = 0;
        int end = text.length();
        while (left && start < end && Characters.is(text.charAt(start), Characters.SPACE)) {
            start++;
        }
        while (right && end > start && Characters.is(text.charAt(end - 1), Characters.SPACE)) {
            end--;
        }
        return text.substring(start, end);
    }

    /// Returns every byte of the text as its printable character.
    static String byteLevel(String text) {
        var result = new StringBuilder(text.length());
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            result.append(ByteLevel.character(b & 0xFF));
        }
        return result.toString();
    }

    static String replace(String text, TokenPattern pattern, String content) {
        if (text.isEmpty()) {
            return text;
        }
        var matches = new IntList();
        pattern.find(text.toCharArray(), 0, text.length(), matches);
        var result = new StringBuilder(text.length());
        int done = 0;
        for (int i = 0; i < matches.size(); i += 2) {
            result.append(text, done, matches.at(i)).append(content);
            Normalizer.requireBounded(text.length(), result.length());
            done = matches.at(i + 1);
        }
        return result.append(text, done, text.length()).toString();
    }

    /// Removes control characters that some translation models remove, and replaces unusual white
    /// space with a space.
    static String nmt(String text) {
        String kept =
                filter(
                        text,
                        c ->
                                !((c >= 0x01 && c <= 0x08)
                                        || c == 0x0B
                                        || (c >= 0x0E && c <= 0x1F)
                                        || c == 0x7F
                                        || c == 0x8F
                                        || c == 0x9F));
        var result = new StringBuilder(kept.length());
        kept.codePoints().forEach(c -> result.appendCodePoint(isNmtSpace(c) ? ' ' : c));
        return result.toString();
    }

    private static boolean isNmtSpace(int c) {
        return switch (c) {
            case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD -> true;
            default -> c >= 0x200B && c <= 0x200F;
        };
    }

    /// Returns BERT's steps in BERT's order: clean, put spaces around ideographs, strip accents,
    /// lowercase.
    static Normalizer bert(
            boolean clean, boolean ideographs, boolean stripAccents, boolean lowercase) {
        List<Normalizer> steps = new ArrayList<>();
        if (clean) {
            steps.add(Normalizers::clean);
        }
        if (ideographs) {
            steps.add(Normalizers::spaceIdeographs);
        }
        if (stripAccents) {
            steps.add(Normalizer.unicode(java.text.Normalizer.Form.NFD));
            steps.add(
                    text -> filter(text, c -> Character.getType(c) != Character.NON_SPACING_MARK));
        }
        if (lowercase) {
            steps.add(Normalizers::lowercase);
        }
        return Normalizer.all(steps);
    }

    private static String clean(String text) {
        String kept = filter(text, c -> c != 0 && c != 0xFFFD && !isControl(c));
        var result = new StringBuilder(kept.length());
        kept.codePoints()
                .forEach(c -> result.appendCodePoint(Characters.is(c, Characters.SPACE) ? ' ' : c));
        return result.toString();
    }

    private static boolean isControl(int c) {
        if (c == '\t' || c == '\n' || c == '\r') {
            return false;
        }
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.PRIVATE_USE,
                    Character.SURROGATE,
                    Character.UNASSIGNED ->
                    true;
            default -> false;
        };
    }

    private static String spaceIdeographs(String text) {
        var result = new StringBuilder(text.length());
        text.codePoints()
                .forEach(
                        c -> {
                            if (isIdeograph(c)) {
                                result.append(' ').appendCodePoint(c).append(' ');
                            } else {
                                result.appendCodePoint(c);
                            }
                        });
        return result.toString();
    }

    private static boolean isIdeograph(int c) {
        return (c >= 0x4E00 && c <= 0x9FFF)
                || (c >= 0x3400 && c <= 0x4DBF)
                || (c >= 0x20000 && c <= 0x2A6DF)
                || (c >= 0x2A700 && c <= 0x2B73F)
                || (c >= 0x2B740 && c <= 0x2B81F)
                || (c >= 0x2B920 && c <= 0x2CEAF)
                || (c >= 0xF900 && c <= 0xFAFF)
                || (c >= 0x2F800 && c <= 0x2FA1F);
    }

    private static String filter(String text, CharacterSet kept) {
        var result = new StringBuilder(text.length());
        text.codePoints().filter(kept::contains).forEach(result::appendCodePoint);
        return result.toString();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// Tests for blank, printable and name characters, by the rules that templates are written for.
final class CharacterTests {
    private CharacterTests() {}

    static boolean isSpace(int character) {
        if (character < 0x80) {
            return character == ' '
                    || (character >= 0x09 && character <= 0x0d)
                    || (character >= 0x1c && character <= 0x1f);
        }
        return character == 0x85 || Character.isSpaceChar(character);
    }

    static boolean endsLine(int character) {
        return (character >= 0x0a && character <= 0x0d)
                || (character >= 0x1c && character <= 0x1e)
                || character == 0x85
                || character == 0x2028
                || character == 0x2029;
    }

    static boolean isPrintable(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR ->
                    false;
            case Character.SPACE_SEPARATOR -> character == ' ';
            default -> true;
        };
    }

    static boolean isNamePart(int character) {
        return character == '_' || Character.isLetterOrDigit(character);
    }

    static boolean isBlank(String text) {
        return skipSpace(text, 0) == text.length();
    }

    static int skipSpace(String text, int from) {
        int at = from;
        while (at < text.length() && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    static String stripStart(String text) {
        return text.substring(skipSpace(text, 0));
    }

    static int skipSpaceBack(String text, int from) {
        int at = from;
        while (at > 0 && isSpace(text.charAt(at - 1))) {
            at--;
        }
        return at;
    }

    static String stripEnd(String text) {
        return text.substring(0, skipSpaceBack(text, text.length()));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.Locale;

/// Upper, lower and title case of texts.
final class TextCase {
    private TextCase() {}

    static String convert(String method, String text, Budget budget) {
        String converted =
                switch (method) {
                    case "upper" -> text.toUpperCase(Locale.ROOT);
                    case "lower" -> text.toLowerCase(Locale.ROOT);
                    case "casefold" -> fold(text);
                    case "capitalize" -> capitalize(text);
                    case "title" -> title(text);
                    default -> swap(text);
                };
        budget.text(converted.length());
        return converted;
    }

    /// Folds each letter regardless of its position in a word.
    private static String fold(String text) {
        var folded = new StringBuilder();
        for (int character : text.replace("ß", "ss").codePoints().toArray()) {
            folded.appendCodePoint(Character.toLowerCase(Character.toUpperCase(character)));
        }
        return folded.toString();
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.offsetByCodePoints(0, 1);
        return titleOf(text.codePointAt(0)) + text.substring(first).toLowerCase(Locale.ROOT);
    }

    private static String titleOf(int character) {
        int title = Character.toTitleCase(character);
        if (title != character) {
            return Character.toString(title);
        }
        String upper = Character.toString(character).toUpperCase(Locale.ROOT);
        return upper.length() > 1 && upper.codePointCount(0, upper.length()) > 1
                ? upper.charAt(0) + upper.substring(1).toLowerCase(Locale.ROOT)
                : upper;
    }

    /// Returns the text with the first letter of each run of letters in title case.
    private static String title(String text) {
        var titled = new StringBuilder();
        boolean inWord = false;
        for (int at = 0; at < text.length(); ) {
            int character = text.codePointAt(at);
            at += Character.charCount(character);
            titled.append(
                    inWord
                            ? Character.toString(character).toLowerCase(Locale.ROOT)
                            : titleOf(character));
            inWord = isCased(character);
        }
        return titled.toString();
    }

    private static String swap(String text) {
        var swapped = new StringBuilder();
        text.codePoints()
                .forEach(
                        each -> {
                            String one = Character.toString(each);
                            boolean upper = Character.isUpperCase(each);
                            swapped.append(
                                    upper
                                            ? one.toLowerCase(Locale.ROOT)
                                            : one.toUpperCase(Locale.ROOT));
                        });
        return swapped.toString();
    }

    private static boolean isCased(int character) {
        return Character.isUpperCase(character)
                || Character.isLowerCase(character)
                || Character.isTitleCase(character);
    }

    static boolean test(String method, String text) {
        return switch (method) {
            case "isascii" -> text.chars().allMatch(each -> each < 0x80);
            case "isprintable" -> text.codePoints().allMatch(CharacterTests::isPrintable);
            case "islower" ->
                    text.codePoints().anyMatch(Character::isLowerCase)
                            && text.codePoints()
                                    .noneMatch(
                                            each ->
                                                    Character.isUpperCase(each)
                                                            || Character.isTitleCase(each));
            case "isupper" ->
                    text.codePoints().anyMatch(Character::isUpperCase)
                            && text.codePoints()
                                    .noneMatch(
                                            each ->
                                                    Character.isLowerCase(each)
                                                            || Character.isTitleCase(each));
            default -> isTitle(text);
        };
    }

    private static boolean isTitle(String text) {
        boolean inWord = false;
        boolean found = false;
        for (int character : text.codePoints().toArray()) {
            boolean capital = Character.isUpperCase(character) || Character.isTitleCase(character);
            if (capital ? inWord : Character.isLowerCase(character) && !inWord) {
                return false;
            }
            inWord = isCased(character);
            found |= inWord;
        }
        return found;
    }
}

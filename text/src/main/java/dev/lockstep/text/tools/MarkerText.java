// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The units of a text that a template writes itself: markers such as `<|x|>`, `</x>` and `[X]`,
/// words, white space and other characters. Texts are compared by units, so that a difference never
/// lies within a marker.
final class MarkerText {
    private static final String MARKER = "<[^<>\\s]{1,80}>|\\[/?[A-Z][A-Z_]+\\]";
    private static final Pattern UNIT = Pattern.compile(MARKER + "|\\w+|.", Pattern.DOTALL);
    private static final Pattern HAS_MARKER = Pattern.compile(MARKER);

    private MarkerText() {}

    static List<String> units(String text) {
        List<String> units = new ArrayList<>();
        Matcher unit = UNIT.matcher(text);
        while (unit.find()) {
            units.add(unit.group());
        }
        return units;
    }

    static boolean hasMarker(String text) {
        return HAS_MARKER.matcher(text).find();
    }

    static String commonPrefix(String a, String b) {
        List<String> left = units(a);
        List<String> right = units(b);
        int count = 0;
        while (count < left.size()
                && count < right.size()
                && left.get(count).equals(right.get(count))) {
            count++;
        }
        return String.join("", left.subList(0, count));
    }

    static String commonSuffix(String a, String b) {
        List<String> left = units(a).reversed();
        List<String> right = units(b).reversed();
        int count = 0;
        while (count < left.size()
                && count < right.size()
                && left.get(count).equals(right.get(count))) {
            count++;
        }
        return String.join("", left.subList(0, count).reversed());
    }

    static String leadingSpace(String text) {
        return text.substring(0, text.length() - text.stripLeading().length());
    }

    static String trailingSpace(String text) {
        return text.substring(text.stripTrailing().length());
    }

    /// Returns a text without the longest end of a suffix that it ends with.
    static String withoutSuffix(String text, String suffix) {
        for (int from = 0; from < suffix.length(); from++) {
            if (text.endsWith(suffix.substring(from))) {
                return text.substring(0, text.length() - suffix.length() + from);
            }
        }
        return text;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/// Texts of a given length that cost a naive tokenizer quadratic time, and ordinary prose.
final class HardTexts {
    private static final String[] WORDS =
            ("the of and to in a is that it was for on are with as his they be at one have this"
                            + " from or had by not but what some we can out other were all there"
                            + " when up use your how said an each she which do their time if will"
                            + " way about many then them write would like these her long make"
                            + " thing see him two has look more day could go come did number sound"
                            + " no most people over know water than call first who may down side"
                            + " been now find station engineering understanding nevertheless")
                    .split(" ");

    private HardTexts() {}

    static Map<String, String> all(int length) {
        var random = new Random(1);
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("one letter", "a".repeat(length));
        texts.put("one word of all letters", letters(random, length));
        texts.put("added tokens", repeat("<|im_start|><|im_end|></s>", length));
        texts.put("nested added tokens", repeat("<|im_<|im_start<s<|im_start|>|>", length));
        texts.put("beginnings", repeat("<", length));
        texts.put("beginnings of tokens", repeat("<|im_star", length));
        texts.put("combining marks", "e" + repeat("\u0301", length / 10));
        texts.put(
                "combining marks, unordered",
                "e" + repeat("\u0301\u0323\u0300\u0327", length / 10));
        texts.put("spaces", " ".repeat(length));
        texts.put("spaces, then a letter", " ".repeat(length) + "a");
        texts.put("line breaks", repeat("\n \r\n\t", length));
        texts.put("digits", repeat("0123456789", length));
        texts.put("apostrophes", "'".repeat(length));
        texts.put("contractions", repeat("'ll'LL've", length));
        texts.put("punctuation", repeat("!?.,-", length));
        texts.put("ideographs", repeat("漢字", length / 2));
        texts.put("emoji", repeat("👩‍👩‍👧‍👦", length / 2));
        texts.put("unknown characters", repeat("\uE000\uE001", length / 2));
        texts.put("mixed case", repeat("aBcD", length));
        return texts;
    }

    static String prose(int length) {
        var random = new Random(2);
        var text = new StringBuilder(length + 16);
        while (text.length() < length) {
            String word = WORDS[random.nextInt(WORDS.length)];
            text.append(text.isEmpty() ? "" : random.nextInt(12) == 0 ? ", " : " ").append(word);
            if (random.nextInt(15) == 0) {
                text.append(".\n");
            }
        }
        return text.toString();
    }

    private static String letters(Random random, int length) {
        var text = new StringBuilder(length);
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(26)));
        }
        return text.toString();
    }

    private static String repeat(String text, int length) {
        return text.repeat(Math.ceilDiv(length, text.length()));
    }
}

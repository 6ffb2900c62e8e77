// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// A vocabulary as large and as mixed as those of current models: words with and without a space,
/// pieces of code with quotes and brackets, runs of spaces, numbers, other scripts, parts of
/// characters, and special tokens.
final class MadeVocabulary {
    private static final String[] SYLLABLES =
            ("an ber con de en fer gra hil in jo ka lo men ni or pre qui re sta ti un ver wi xe yo zu"
                            + " tion ing er ed es ment ly al ous able")
                    .split(" ");
    private static final String[] MARKS =
            "\" \", \": \":\" \",\" \"} \"}, {\" [\" \"] ). (\" ' '' \\\" \\n \\\\ </ /> => -> == != += // /* */ :: ; , . ? ! ... -- --- _ __ ( ) [] {} [ ] { } }, }} ]] },{ : | & %"
                    .split(" ");

    private MadeVocabulary() {}

    /// @param specials how many of the last ids are special tokens, without bytes
    static byte[][] of(int size, int specials) {
        var random = new Random(7);
        Set<String> texts = new LinkedHashSet<>();
        List<byte[]> tokens = new ArrayList<>();
        for (int i = 0; i < 256; i++) {
            tokens.add(new byte[] {(byte) i});
        }
        for (int i = 0; i < 1_110; i++) {
            texts.add(
                    i < 10
                            ? "" + i
                            : i < 110 ? "%02d".formatted(i - 10) : "%03d".formatted(i - 110));
        }
        for (int i = 1; i <= 80; i++) {
            texts.add(" ".repeat(i));
            texts.add("\n".repeat(1 + i / 8) + " ".repeat(i));
            texts.add("\t".repeat(1 + i / 4));
            texts.add("-".repeat(i));
            texts.add("=".repeat(i));
        }
        for (String mark : MARKS) {
            for (String second : MARKS) {
                texts.add(mark + second);
            }
            texts.add(mark);
            texts.add(" " + mark);
            texts.add(mark + "\n");
        }
        int wanted = size - specials - tokens.size();
        while (texts.size() < wanted) {
            texts.add(text(random));
        }
        for (String text : texts) {
            if (tokens.size() == size - specials) {
                break;
            }
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            tokens.add(bytes);
        }
        byte[][] result = new byte[size][];
        for (int i = 0; i < size - specials; i++) {
            result[i] = tokens.get(i);
        }
        return result;
    }

    static Set<Integer> specials(int size, int specials) {
        Set<Integer> ids = new LinkedHashSet<>();
        for (int i = size - specials; i < size; i++) {
            ids.add(i);
        }
        return ids;
    }

    private static String text(Random random) {
        int kind = random.nextInt(100);
        var text = new StringBuilder();
        if (kind < 12) {
            int base = new int[] {0x400, 0x4E00, 0xAC00, 0x600, 0x3040, 0x900}[random.nextInt(6)];
            int range = base == 0x4E00 ? 8_000 : base == 0xAC00 ? 4_000 : 0x50;
            for (int i = random.nextInt(3); i >= 0; i--) {
                text.appendCodePoint(base + random.nextInt(range));
            }
            return text.toString();
        }
        if (kind < 60) {
            text.append(' ');
        }
        for (int i = random.nextInt(3); i >= 0; i--) {
            text.append(SYLLABLES[random.nextInt(SYLLABLES.length)]);
        }
        if (kind % 3 == 0) {
            int at = kind % 2 == 0 && text.charAt(0) == ' ' ? 1 : 0;
            text.setCharAt(at, Character.toUpperCase(text.charAt(at)));
        }
        if (kind > 97) {
            text.append(MARKS[random.nextInt(MARKS.length)]);
        } else if (kind > 95) {
            text.insert(0, MARKS[random.nextInt(MARKS.length)]);
        }
        return text.toString();
    }
}

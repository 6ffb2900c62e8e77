// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.text.BreakIterator;
import java.util.Locale;

/// SentencePiece's compiled normalization: a double array from UTF-8 prefixes to replacements.
/// Immutable.
///
/// The bytes hold the size of the array, its 32-bit units, then the replacements, each terminated
/// by 0. A unit holds a label, a flag for an attached value, and the offset of its children.
final class CharacterMap {
    private final int[] units;
    private final byte[] replacements;

    private CharacterMap(int[] units, byte[] replacements) {
        this.units = units;
        this.replacements = replacements;
    }

    static CharacterMap parse(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.length < 4) {
            throw new IllegalArgumentException(
                    "character map of " + bytes.length + " bytes is too short");
        }
        int size = in.getInt();
        if (size < 4 || size % 4 != 0 || size > in.remaining()) {
            throw new IllegalArgumentException(
                    "character map has a table of "
                            + size
                            + " bytes, must be a multiple of 4 from 4 to "
                            + in.remaining());
        }
        int[] units = new int[size / 4];
        in.asIntBuffer().get(units);
        byte[] replacements = new byte[bytes.length - 4 - size];
        in.position(4 + size).get(replacements);
        return new CharacterMap(units, replacements);
    }

    /// Replaces whole short grapheme clusters, otherwise single characters, as the JSON format's
    /// library does.
    String applyToGraphemes(String text) {
        var result = new StringBuilder(text.length());
        BreakIterator graphemes = BreakIterator.getCharacterInstance(Locale.ROOT);
        graphemes.setText(text);
        int start = graphemes.first();
        for (int end = graphemes.next(); end != BreakIterator.DONE; end = graphemes.next()) {
            String grapheme = text.substring(start, end);
            byte[] bytes = grapheme.getBytes(StandardCharsets.UTF_8);
            Match match = bytes.length < 6 ? match(bytes, 0, true) : Match.NONE;
            if (match.found()) {
                result.append(replacement(match));
            } else {
                grapheme.codePoints().forEach(codePoint -> appendCharacter(codePoint, result));
            }
            start = end;
        }
        return result.toString();
    }

    private void appendCharacter(int codePoint, StringBuilder result) {
        Match match =
                match(Character.toString(codePoint).getBytes(StandardCharsets.UTF_8), 0, true);
        if (match.found()) {
            result.append(replacement(match));
        } else {
            result.appendCodePoint(codePoint);
        }
    }

    /// Replaces the longest known prefix at each position, as SentencePiece itself does.
    String applyToPrefixes(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        var result = new ByteArrayOutputStream(bytes.length);
        for (int at = 0; at < bytes.length; ) {
            Match match = match(bytes, at, false);
            if (match.found()) {
                result.writeBytes(replacement(match).getBytes(StandardCharsets.UTF_8));
                at += match.length();
            } else {
                int length = characterLength(bytes[at]);
                result.write(bytes, at, length);
                at += length;
            }
        }
        return result.toString(StandardCharsets.UTF_8);
    }

    private static int characterLength(byte lead) {
        int b = lead & 0xFF;
        if (b < 0x80) {
            return 1;
        }
        return b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
    }

    /// A matched prefix of `length` bytes, whose replacement begins at `value`.
    private record Match(int length, int value) {
        static final Match NONE = new Match(0, -1);

        boolean found() {
            return value >= 0;
        }
    }

    private Match match(byte[] key, int from, boolean shortest) {
        Match found = Match.NONE;
        int node = offset(units[0]);
        for (int i = from; i < key.length; i++) {
            int b = key[i] & 0xFF;
            node ^= b;
            if (b == 0 || node < 0 || node >= units.length || label(units[node]) != b) {
                break;
            }
            boolean hasValue = (units[node] >>> 8 & 1) == 1;
            node ^= offset(units[node]);
            if (hasValue && node >= 0 && node < units.length) {
                found = new Match(i - from + 1, units[node] & Integer.MAX_VALUE);
                if (shortest) {
                    break;
                }
            }
        }
        return found;
    }

    private String replacement(Match match) {
        int start = Math.min(match.value(), replacements.length);
        int end = start;
        while (end < replacements.length && replacements[end] != 0) {
            end++;
        }
        return new String(replacements, start, end - start, StandardCharsets.UTF_8);
    }

    /// Returns the unit's label; a unit with the top bit set is a value, and its label equals no
    /// byte.
    private static int label(int unit) {
        return unit & (Integer.MIN_VALUE | 0xFF);
    }

    private static int offset(int unit) {
        return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
    }
}

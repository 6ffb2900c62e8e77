// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;

/// The alphabet of byte-level vocabularies: one printable character per byte.
///
/// Printable Latin-1 characters represent themselves; the other 68 bytes map to U+0100 and up, in
/// order. As a pre-tokenizer it writes each piece in that alphabet.
record ByteLevel() implements PreTokenizer {
    private static final char[] CHARACTER = new char[256];
    private static final int[] BYTE = new int[0x144];

    static {
        Arrays.fill(BYTE, -1);
        char free = 0x100;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
            CHARACTER[b] = printable ? (char) b : free++;
            BYTE[CHARACTER[b]] = b;
        }
    }

    static char character(int unsignedByte) {
        return CHARACTER[unsignedByte];
    }

    /// Returns the byte that the character represents, or -1.
    static int byteOf(int codePoint) {
        return codePoint < BYTE.length ? BYTE[codePoint] : -1;
    }

    @Override
    public Pieces apply(Pieces pieces) {
        var mapped = new Mapped(pieces.text().length + pieces.count() + 8);
        var result = new Pieces(new char[0], pieces.startsInput(), pieces.count());
        for (int i = 0; i < pieces.count(); i++) {
            int start = mapped.length;
            mapped.addUtf8(pieces.text(), pieces.start(i), pieces.end(i));
            result.add(start, mapped.length);
        }
        return result.withText(mapped.text());
    }

    /// A growing text in the byte alphabet.
    private static final class Mapped {
        private char[] characters;
        private int length;

        Mapped(int capacity) {
            characters = new char[capacity];
        }

        void addUtf8(char[] text, int from, int to) {
            for (int i = from; i < to; i++) {
                char c = text[i];
                if (c < 0x80) {
                    add(c);
                } else {
                    int codePoint = Characters.codePoint(text, i, to);
                    addCodePoint(codePoint);
                    i += Character.charCount(codePoint) - 1;
                }
            }
        }

        private void addCodePoint(int codePoint) {
            if (codePoint < 0x800) {
                add(0xC0 | codePoint >> 6);
            } else {
                if (codePoint < 0x1_0000) {
                    add(0xE0 | codePoint >> 12);
                } else {
                    add(0xF0 | codePoint >> 18);
                    add(0x80 | (codePoint >> 12 & 0x3F));
                }
                add(0x80 | (codePoint >> 6 & 0x3F));
            }
            add(0x80 | (codePoint & 0x3F));
        }

        void add(int unsignedByte) {
            if (length == characters.length) {
                characters = Arrays.copyOf(characters, Math.multiplyExact(length, 2));
            }
            characters[length++] = CHARACTER[unsignedByte];
        }

        char[] text() {
            return characters;
        }
    }
}

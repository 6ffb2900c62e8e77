// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A UTF-8 decoder that accepts single bytes and emits whole characters only; belongs to one
/// thread.
///
/// Ill-formed input becomes U+FFFD per maximal subpart, as in WHATWG's decoder (the JDK's decoder
/// differs for encoded surrogates).
final class Utf8Stream {
    static final char REPLACEMENT = '\uFFFD';

    private int codePoint;
    private int missing;
    private int lowest = 0x80;
    private int highest = 0xBF;

    /// Returns whether the byte leaves a character before it incomplete.
    boolean isBrokenBy(byte next) {
        return missing > 0 && !continues(next & 0xFF);
    }

    private boolean continues(int b) {
        return b >= lowest && b <= highest;
    }

    void push(byte next, StringBuilder text) {
        int b = next & 0xFF;
        if (missing > 0) {
            if (continues(b)) {
                lowest = 0x80;
                highest = 0xBF;
                codePoint = codePoint << 6 | (b & 0x3F);
                if (--missing == 0) {
                    text.appendCodePoint(codePoint);
                }
                return;
            }
            finish(text);
        }
        start(b, text);
    }

    /// Returns whether the byte continues the character, or starts one after a whole character.
    boolean accepts(byte next) {
        int b = next & 0xFF;
        return missing > 0 ? b >= lowest && b <= highest : b < 0x80 || (b >= 0xC2 && b <= 0xF4);
    }

    boolean isIncomplete() {
        return missing > 0;
    }

    /// Replaces an incomplete character with U+FFFD.
    void finish(StringBuilder text) {
        if (missing > 0) {
            text.append(REPLACEMENT);
            reset();
        }
    }

    /// Drops an incomplete character.
    void reset() {
        missing = 0;
        lowest = 0x80;
        highest = 0xBF;
    }

    /// Starts a character; the second byte's range excludes overlong forms, surrogates and code
    /// points above U+10FFFF.
    private void start(int b, StringBuilder text) {
        if (b < 0x80) {
            text.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            missing = 1;
            codePoint = b & 0x1F;
        } else if (b >= 0xE0 && b <= 0xEF) {
            missing = 2;
            codePoint = b & 0x0F;
            lowest = b == 0xE0 ? 0xA0 : 0x80;
            highest = b == 0xED ? 0x9F : 0xBF;
        } else if (b >= 0xF0 && b <= 0xF4) {
            missing = 3;
            codePoint = b & 0x07;
            lowest = b == 0xF0 ? 0x90 : 0x80;
            highest = b == 0xF4 ? 0x8F : 0xBF;
        } else {
            text.append(REPLACEMENT);
        }
    }
}

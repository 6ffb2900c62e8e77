// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class Utf8StreamTest {
    /// Bytes near the limits of the encoding: lead bytes, continuation bytes, and bytes that never
    /// occur.
    private static final int[] BYTES = {
        0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xEF, 0xF0,
        0xF1, 0xF4, 0xF5, 0xFF
    };

    @Test
    void randomBytesDecodeAsTheJdkDecodesThemAtOnce() {
        var random = new Random(7);
        for (int round = 0; round < 50_000; round++) {
            byte[] bytes = new byte[random.nextInt(12)];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) BYTES[random.nextInt(BYTES.length)];
            }
            var stream = new Utf8Stream();
            var text = new StringBuilder();
            for (byte b : bytes) {
                stream.push(b, text);
            }
            stream.finish(text);
            assertEquals(
                    new String(bytes, StandardCharsets.UTF_8),
                    text.toString(),
                    HexFormat.of().formatHex(bytes));
        }
    }

    /// Checks the count of browsers and reference tokenizers, three errors per encoded surrogate;
    /// the JDK counts one.
    @Test
    void anEncodedSurrogateIsAReplacementCharacterPerByte() {
        var stream = new Utf8Stream();
        var text = new StringBuilder();
        for (int b : new int[] {0xED, 0xA0, 0x80, 0xED, 0x9F, 0xBF, 0xED}) {
            stream.push((byte) b, text);
        }
        stream.finish(text);
        assertEquals("\uFFFD\uFFFD\uFFFD\uD7FF\uFFFD", text.toString());
    }

    @Test
    void aCharacterIsEmittedOnlyWithItsLastByte() {
        var stream = new Utf8Stream();
        var text = new StringBuilder();
        byte[] bytes = "😀".getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 3; i++) {
            stream.push(bytes[i], text);
            assertEquals("", text.toString());
        }
        stream.push(bytes[3], text);
        assertEquals("😀", text.toString());
    }
}

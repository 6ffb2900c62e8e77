// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// The name of a token in log-probabilities: its text; if its bytes are not whole characters, the
/// bytes as in OpenAI's API, such as `bytes:\xe2\x80`. Different bytes have different names, where
/// text would be U+FFFD for all of them.
final class TokenText {
    private TokenText() {}

    static String of(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            return named(bytes);
        }
    }

    private static String named(byte[] bytes) {
        var name = new StringBuilder("bytes:");
        for (byte each : bytes) {
            if (each == '\\') {
                name.append("\\\\");
            } else if (each >= ' ' && each <= '~') {
                name.append((char) each);
            } else {
                name.append("\\x%02x".formatted(each & 0xFF));
            }
        }
        return name.toString();
    }
}

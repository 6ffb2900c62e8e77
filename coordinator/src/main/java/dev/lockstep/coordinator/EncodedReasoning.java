// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Optional;

/// Reasoning in the form of `encrypted_content`, which some clients send back instead of the text.
/// It hides nothing: the client gets the text as well.
final class EncodedReasoning {
    private static final String OURS = "lockstep1.";

    private EncodedReasoning() {}

    static String of(String text) {
        return OURS
                + Base64.getUrlEncoder()
                        .withoutPadding()
                        .encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    /// Returns the text; empty for what another server wrote, which only that one can read.
    ///
    /// @param name of the field
    static Optional<String> text(String name, String encoded) {
        if (!encoded.startsWith(OURS)) {
            return Optional.empty();
        }
        try {
            byte[] utf8 = Base64.getUrlDecoder().decode(encoded.substring(OURS.length()));
            return Optional.of(
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString());
        } catch (IllegalArgumentException | CharacterCodingException e) {
            throw ApiError.invalid(
                    name, name + " is not as this server wrote it; send it back unchanged");
        }
    }
}

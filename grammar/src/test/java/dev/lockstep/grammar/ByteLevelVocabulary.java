// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The tokens of a `tokenizer.json` whose characters stand for bytes, without its added tokens.
final class ByteLevelVocabulary {
    private static final Map<Character, Integer> BYTES = bytesByCharacter();

    private ByteLevelVocabulary() {}

    static byte[] @Nullable [] read(Path file) throws IOException {
        JsonNode root = new ObjectMapper().readTree(file.toFile());
        JsonNode vocabulary = root.get("model").get("vocab");
        int size = 0;
        for (Map.Entry<String, JsonNode> each : vocabulary.properties()) {
            size = Math.max(size, each.getValue().asInt() + 1);
        }
        byte[] @Nullable [] tokens = new byte[size][];
        for (Map.Entry<String, JsonNode> each : vocabulary.properties()) {
            tokens[each.getValue().asInt()] = bytes(each.getKey());
        }
        for (JsonNode each : root.get("added_tokens")) {
            if (each.get("id").asInt() < size) {
                tokens[each.get("id").asInt()] = null;
            }
        }
        return tokens;
    }

    /// Returns the bytes that the characters of a token stand for.
    static byte[] bytes(String token) {
        var out = new ByteArrayOutputStream();
        for (int i = 0; i < token.length(); i++) {
            out.write(BYTES.getOrDefault(token.charAt(i), (int) '?'));
        }
        return out.toByteArray();
    }

    /// Visible characters of Latin-1 stand for themselves, the other bytes for those from 256 on.
    private static Map<Character, Integer> bytesByCharacter() {
        Map<Character, Integer> bytes = new HashMap<>();
        int other = 256;
        for (int value = 0; value < 256; value++) {
            boolean visible = (value >= '!' && value <= '~') || (value >= 0xA1 && value != 0xAD);
            bytes.put((char) (visible ? value : other++), value);
        }
        return bytes;
    }
}

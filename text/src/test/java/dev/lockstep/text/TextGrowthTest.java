// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A tokenizer file cannot expand a short text without bound.
final class TextGrowthTest {
    private static final String MODEL =
            "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1]]}";
    private static final EncodeOptions PLAIN = new EncodeOptions(false, false);

    private static Tokenizer tokenizer(String part) {
        return Tokenizers.ofJson(("{" + part + "," + MODEL + "}").getBytes(StandardCharsets.UTF_8));
    }

    private static String replacing(String pattern, int times) {
        String step =
                "{\"type\":\"Replace\",\"pattern\":{%s:\"a\"},\"content\":\"aa\"}"
                        .formatted(pattern);
        String steps = step;
        for (int i = 1; i < times; i++) {
            // Nested, as a file may contain them.
            steps = "{\"type\":\"Sequence\",\"normalizers\":[%s,%s]}".formatted(step, steps);
        }
        return "\"normalizer\":" + steps;
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"String\"", "\"Regex\""})
    void aChainOfReplacementsIsBounded(String pattern) {
        assertEquals(1 << 10, tokenizer(replacing(pattern, 10)).encode("a", PLAIN).length);
        Tokenizer endless = tokenizer(replacing(pattern, 40));
        String refusal =
                String.valueOf(
                        assertThrows(
                                        IllegalArgumentException.class,
                                        () -> endless.encode("a", PLAIN))
                                .getMessage());
        assertTrue(refusal.contains("65600 characters of 1"), refusal);
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"String\"", "\"Regex\""})
    void aLongReplacementIsBounded(String pattern) {
        Tokenizer endless = tokenizer(replacing(pattern, 1).replace("aa", "a".repeat(100_000)));
        assertThrows(IllegalArgumentException.class, () -> endless.encode("a".repeat(1000), PLAIN));
        assertEquals(1, endless.encode("b", PLAIN).length);
    }

    @Test
    void theReplacementOfASpaceMustBeOneCharacter() {
        for (String symbol : new String[] {"", "ab", "▁▁"}) {
            String metaspace = "{\"type\":\"Metaspace\",\"replacement\":\"" + symbol + "\"}";
            for (String part : new String[] {"pre_tokenizer", "decoder"}) {
                String refusal =
                        String.valueOf(
                                assertThrows(
                                                IllegalArgumentException.class,
                                                () -> tokenizer("\"" + part + "\":" + metaspace))
                                        .getMessage());
                assertTrue(refusal.contains("replacement is"), refusal);
                assertTrue(refusal.contains("expected one character"), refusal);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

/// The default model's own vocabulary, compared with ids recorded from the reference tokenizer.
final class SmolLm2TokenizerTest {
    private final Tokenizer tokenizer =
            Tokenizers.of(TokenizerSource.open(Fixtures.requireDefaultModel()));
    private final JsonNode golden = golden();

    private static JsonNode golden() {
        try {
            return new ObjectMapper().readTree(Fixtures.require("smollm2/golden.json").toFile());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void renderedPromptsGiveTheRecordedIds() {
        for (JsonNode recorded : golden.get("cases")) {
            assertArrayEquals(
                    ids(recorded.get("prompt_ids")),
                    tokenizer.encode(recorded.get("rendered").asText(), true),
                    recorded.get("name").asText());
        }
    }

    @Test
    void aLongTextGivesTheRecordedIdsAndDecodesToItself() {
        JsonNode recorded = golden.get("text_nll");
        int[] ids = ids(recorded.get("ids"));
        assertArrayEquals(ids, tokenizer.encode(recorded.get("text").asText(), true));
        assertEquals(recorded.get("text").asText(), tokenizer.decode(ids, false));
    }

    @Test
    void generatedIdsDecodeToTheRecordedText() {
        for (JsonNode recorded : golden.get("cases")) {
            String name = recorded.get("name").asText();
            int[] ids = ids(recorded.get("greedy_ids"));
            assertEquals(recorded.get("text").asText(), tokenizer.decode(ids, false), name);
        }
    }

    @Test
    void promptsGetNoPrefixAndTheTurnEndTokenEndsAText() {
        assertArrayEquals(
                tokenizer.encode("Hello", false),
                tokenizer.encode("Hello", new EncodeOptions(false, true)));
        assertEquals(1, tokenizer.bos().orElseThrow());
        assertEquals(2, tokenizer.eos().orElseThrow());
    }

    private static int[] ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
    }
}

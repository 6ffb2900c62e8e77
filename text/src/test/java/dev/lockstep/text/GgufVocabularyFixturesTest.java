// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Six published vocabularies, compared with the ids of their own tokenizers.
final class GgufVocabularyFixturesTest {
    private static final String SEPARATOR = "\n__ggml_vocab_test__\n";

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "starcoder", "falcon", "deepseek-llm", "llama-spm", "phi-3"})
    void everyRecordedInputGivesTheRecordedIdsAndDecodesToItself(String name) throws IOException {
        String file = "tokenizers/ggml-vocab-" + name + ".gguf";
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(Fixtures.require(file)));
        List<String> inputs =
                Arrays.asList(
                        Files.readString(Fixtures.require(file + ".inp")).split(SEPARATOR, -1));
        List<String> outputs = Files.readAllLines(Fixtures.require(file + ".out"));
        assertEquals(46, outputs.size());
        assertEquals(47, inputs.size());
        for (int i = 0; i < outputs.size(); i++) {
            int[] expected =
                    Arrays.stream(outputs.get(i).split(" "))
                            .filter(id -> !id.isEmpty())
                            .mapToInt(Integer::parseInt)
                            .toArray();
            assertArrayEquals(expected, tokenizer.encode(inputs.get(i), true), "input " + i);
            assertEquals(inputs.get(i), tokenizer.decode(expected, false), "input " + i);
        }
    }

    @Test
    void theMarkersOfPhi3TakeTheWhiteSpaceAfterThem() {
        Path file = Fixtures.require("tokenizers/ggml-vocab-phi-3.gguf");
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(file));
        assertArrayEquals(
                new int[] {32010, 6324, 32007, 32001},
                tokenizer.encode("<|user|>\nHi<|end|>\n<|assistant|>\n", true));
        int[] separator = tokenizer.encode("<|endoftext|>\n", true);
        assertEquals(32000, separator[0]);
        assertTrue(separator.length > 1);
    }
}

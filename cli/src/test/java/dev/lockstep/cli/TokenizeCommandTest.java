// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizeCommandTest {
    private static final String SEPARATOR = "\n__ggml_vocab_test__\n";

    @TempDir Path folder;

    @Test
    void everyLineGetsTheIdsOfTheTokenizer() throws Exception {
        TinyCheckpoint.write(folder, 1);
        byte[] json = Files.readAllBytes(folder.resolve("tokenizer.json"));
        Tokenizer tokenizer = Tokenizers.ofJson(json);
        List<String> texts = List.of("hello", "", "two\nlines \"quoted\" \t é 😀");
        List<int[]> ids = tokenize(folder, texts);
        for (int i = 0; i < texts.size(); i++) {
            assertArrayEquals(tokenizer.encode(texts.get(i), true), ids.get(i));
        }
    }

    @Test
    void specialTokensInTheTextAreRecognisedAndBosAndEosAreAddedOnRequest() throws Exception {
        Path file = Fixtures.require("tokenizers/ggml-vocab-llama-spm.gguf");
        assertArrayEquals(new int[] {2}, tokenize(file, List.of("</s>")).getFirst());
        assertArrayEquals(new int[] {15043}, tokenize(file, List.of("Hello")).getFirst());
        assertArrayEquals(
                new int[] {1, 15043}, tokenize(file, List.of("Hello"), "--add-special").getFirst());
    }

    @Tag("sweep")
    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "starcoder", "falcon", "deepseek-llm", "llama-spm", "phi-3"})
    void aVocabularyFileGivesTheRecordedIds(String name) throws Exception {
        Path file = Fixtures.require("tokenizers/ggml-vocab-" + name + ".gguf");
        String[] inputs =
                Files.readString(file.resolveSibling(file.getFileName() + ".inp"))
                        .split(SEPARATOR, -1);
        List<String> texts = List.of(inputs).subList(0, inputs.length - 1);
        List<String> recorded =
                Files.readAllLines(file.resolveSibling(file.getFileName() + ".out"));
        List<int[]> ids = tokenize(file, texts);
        for (int i = 0; i < texts.size(); i++) {
            int[] expected =
                    Stream.of(recorded.get(i).split(" "))
                            .filter(word -> !word.isEmpty())
                            .mapToInt(Integer::parseInt)
                            .toArray();
            assertArrayEquals(expected, ids.get(i), name + ", input " + i);
        }
    }

    @Test
    void anInvalidLineIsReportedByNumber() throws Exception {
        TinyCheckpoint.write(folder, 1);
        assertRefused("line 2 of standard input: text is missing", "{\"text\":\"a\"}\n{}\n");
        assertRefused("line 1 of standard input: text is not a string", "{\"text\":1}");
        assertRefused("line 1 of standard input: a JSON object was expected", "[]");
    }

    private void assertRefused(String message, String input) {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> run(folder, input));
        assertEquals(message, refused.getMessage());
    }

    private static List<int[]> tokenize(Path model, List<String> texts, String... flags)
            throws Exception {
        var input = new StringBuilder();
        for (String text : texts) {
            ObjectNode line = JsonLines.JSON.createObjectNode().put("text", text);
            input.append(JsonLines.JSON.writeValueAsString(line)).append('\n');
        }
        List<int[]> ids = new ArrayList<>();
        for (String line : run(model, input.toString(), flags).lines().toList()) {
            JsonNode list = JsonLines.object(line).get("ids");
            ids.add(
                    StreamSupport.stream(list.spliterator(), false)
                            .mapToInt(JsonNode::intValue)
                            .toArray());
        }
        assertEquals(texts.size(), ids.size());
        return ids;
    }

    private static String run(Path model, String input, String... flags) throws Exception {
        var arguments = new ArrayList<>(List.of("--model=" + model));
        arguments.addAll(List.of(flags));
        var out = new ByteArrayOutputStream();
        new TokenizeCommand()
                .run(
                        arguments,
                        new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
                        new PrintStream(out, true, StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8);
    }
}

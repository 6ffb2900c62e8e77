// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.TokenizerSource;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tiny tokenizers and a template with documents, compared with the ids and the text that
/// transformers produced, for cases that the shared fixtures do not cover.
/// `src/test/python/record_references.py` records them.
final class RecordedTextTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Encoded(String text, int[] ids, int[] framed_ids) {}

    private record Rendered(@Nullable List<Object> documents, String text) {}

    private record Documents(List<Map<String, Object>> messages, Map<String, Rendered> cases) {}

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bpe-template-bos",
                "bpe-template-bos-eos",
                "unigram",
                "unigram-first",
                "wordpiece",
                "gguf-unigram",
                "gguf-wordpiece"
            })
    void everyTextHasTheRecordedIdsWithAndWithoutFraming(String name) throws Exception {
        Path folder = resource(name);
        Path file = folder.resolve("model.gguf");
        Tokenizer tokenizer =
                Tokenizers.of(TokenizerSource.open(Files.exists(file) ? file : folder));
        List<Encoded> recorded =
                JSON.readValue(folder.resolve("golden.json").toFile(), new TypeReference<>() {});
        for (Encoded each : recorded) {
            assertArrayEquals(
                    each.ids(),
                    tokenizer.encode(each.text(), new EncodeOptions(true, false)),
                    each.text());
            assertArrayEquals(
                    each.framed_ids(),
                    tokenizer.encode(each.text(), new EncodeOptions(true, true)),
                    each.text());
        }
    }

    @Test
    void documentsAreRenderedAsRecorded() throws Exception {
        Path folder = resource("documents");
        ChatTemplate template =
                ChatTemplate.parse(
                        Files.readString(folder.resolve("template.jinja")), "<s>", "</s>");
        Documents recorded =
                JSON.readValue(folder.resolve("golden.json").toFile(), Documents.class);
        recorded.cases()
                .forEach(
                        (name, expected) -> {
                            ChatVariables variables =
                                    ChatVariables.of(recorded.messages(), true)
                                            .with("documents", expected.documents());
                            assertEquals(
                                    expected.text(),
                                    template.render(variables, Clock.systemUTC()),
                                    name);
                        });
    }

    private static Path resource(String name) throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(
                                RecordedTextTest.class.getResource("/references/" + name), name)
                        .toURI());
    }
}

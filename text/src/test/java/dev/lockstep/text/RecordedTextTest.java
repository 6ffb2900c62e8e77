// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TokenizerSource;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tiny tokenizers and a template with documents, compared with the ids and the text that
/// transformers produced, for cases that the shared fixtures do not cover.
/// `src/test/python/record_references.py` records them.
final class RecordedTextTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir private Path scratch;

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

    private record Pairs(String name, JsonNode post_processor, List<RecordedPair> pairs) {}

    private record RecordedPair(String first, String second, int[] ids, int[] type_ids) {}

    /// The last three have forms that no model has, and are not read.
    @Test
    void pairsOfTextsHaveTheRecordedIdsAndTypes() throws Exception {
        Path folder = resource("wordpiece");
        List<Pairs> recorded =
                JSON.readValue(folder.resolve("pairs.json").toFile(), new TypeReference<>() {});
        var root = (ObjectNode) JSON.readTree(folder.resolve("tokenizer.json").toFile());
        for (Pairs each : recorded) {
            root.set("post_processor", each.post_processor());
            JSON.writeValue(scratch.resolve("tokenizer.json").toFile(), root);
            Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(scratch));
            boolean known = recorded.indexOf(each) < recorded.size() - 3;
            for (RecordedPair pair : each.pairs()) {
                Optional<TokenPair> ids = tokenizer.pair(pair.first(), pair.second(), true);
                assertEquals(known, ids.isPresent(), each.name());
                if (known) {
                    assertArrayEquals(pair.ids(), ids.get().ids(), each.name());
                    int[] types = new int[pair.ids().length];
                    Arrays.fill(types, ids.get().second(), types.length, 1);
                    assertArrayEquals(pair.type_ids(), types, each.name());
                }
            }
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

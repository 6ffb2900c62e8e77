// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FolderVocabularyTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// What SentencePiece normalizes, for spaces and a ligature.
    private static final byte[] NORMALIZATION =
            DoubleArray.of(
                    Map.of(
                            "\n", " ", "\r", " ", "\t", " ", "\u00A0", " ", "\u3000", " ", "ﬁ",
                            "fi", "\u2028", " ", "\u200A", " ", "\u0085", " "));

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '\t',
            quoteCharacter = '`',
            value = {
                "gpt-2\tfalse\t",
                "llama-bpe\ttrue\t(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "dbrx\tfalse\t(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "qwen2\tfalse\t(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "qwen35\tfalse\t(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "seed-coder\tfalse\t(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "kimi-k2\tfalse\t[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "gpt-4o\tfalse\t[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            })
    void thePreTokenizerIsFoundByWhatItDoes(String name, boolean ignoreMerges, String expression)
            throws IOException {
        ObjectNode json = fixture();
        ((ObjectNode) json.get("model")).put("ignore_merges", ignoreMerges);
        if (expression != null) {
            ObjectNode steps = json.putObject("pre_tokenizer").put("type", "Sequence");
            ArrayNode list = steps.putArray("pretokenizers");
            list.addObject()
                    .put("type", "Split")
                    .put("behavior", "Isolated")
                    .put("invert", false)
                    .putObject("pattern")
                    .put("Regex", expression);
            list.addObject()
                    .put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("use_regex", false);
        }
        assertEquals(name, vocabulary(json, 1030).pre());
    }

    @Test
    void idsWithoutATokenAreUnused() throws IOException {
        GgufVocabulary vocabulary = vocabulary(fixture(), 1030);
        assertEquals(1030, vocabulary.tokens().size());
        assertEquals("[PAD1029]", vocabulary.tokens().getLast());
        assertEquals(5, vocabulary.tokenTypes().getLast());
    }

    @Test
    void aPreTokenizerWithoutANameIsRefused() throws IOException {
        ObjectNode json = fixture();
        ObjectNode steps = json.putObject("pre_tokenizer").put("type", "Sequence");
        ArrayNode list = steps.putArray("pretokenizers");
        list.addObject().put("type", "Digits").put("individual_digits", false);
        list.addObject().put("type", "ByteLevel").put("add_prefix_space", false);
        String refusal =
                assertThrows(CheckpointException.class, () -> vocabulary(json, 1024)).getMessage();
        assertTrue(
                String.valueOf(refusal).endsWith("splits text like none that GGUF files have"),
                refusal);
    }

    @Test
    void moreTokensThanIdsAreRefused() throws IOException {
        ObjectNode json = fixture();
        String refusal =
                assertThrows(CheckpointException.class, () -> vocabulary(json, 1000)).getMessage();
        assertTrue(
                String.valueOf(refusal).endsWith("1024 tokens for a model of 1000 ids"), refusal);
    }

    /// A folder lists the merges that a SentencePiece vocabulary has by its scores: every two
    /// tokens that are a token together, in the order of those.
    @Test
    void aSentencePieceVocabularyOfAFolderEncodesAsItsFile() throws IOException {
        Path file = Fixtures.require("tokenizers/ggml-vocab-llama-spm.gguf");
        var source = (TokenizerSource.Gguf) TokenizerSource.open(file);
        List<Float> scores = GgufKeys.vocabulary(source.metadata()).scores();
        Tokenizer original = Tokenizers.of(source);
        Map<String, Integer> ids = new HashMap<>();
        ObjectNode json = JSON.createObjectNode();
        ObjectNode model =
                json.putObject("model")
                        .put("type", "BPE")
                        .put("unk_token", "<unk>")
                        .put("fuse_unk", true)
                        .put("byte_fallback", true);
        ObjectNode entries = model.putObject("vocab");
        ArrayNode added = json.putArray("added_tokens");
        for (int id = 0; id < original.vocabularySize(); id++) {
            entries.put(original.piece(id), id);
            if (id < 3) {
                added.addObject()
                        .put("id", id)
                        .put("content", original.piece(id))
                        .put("special", true);
            } else if (id >= 259) {
                ids.put(original.piece(id), id);
            }
        }
        List<String[]> merges = new ArrayList<>();
        ids.forEach(
                (piece, _) -> {
                    for (int cut = 1; cut < piece.length(); cut++) {
                        String[] halves = {piece.substring(0, cut), piece.substring(cut)};
                        if (ids.containsKey(halves[0]) && ids.containsKey(halves[1])) {
                            merges.add(halves);
                        }
                    }
                });
        merges.sort(
                Comparator.comparingDouble(
                        pair -> -scores.get(ids.getOrDefault(pair[0] + pair[1], -1))));
        ArrayNode list = model.putArray("merges");
        merges.forEach(pair -> list.addArray().add(pair[0]).add(pair[1]));
        ObjectNode normalizer = json.putObject("normalizer").put("type", "Sequence");
        ArrayNode steps = normalizer.putArray("normalizers");
        steps.addObject().put("type", "Prepend").put("prepend", "▁");
        steps.addObject()
                .put("type", "Replace")
                .put("content", "▁")
                .putObject("pattern")
                .put("String", " ");

        GgufVocabulary vocabulary = vocabulary(json, 32000);
        assertEquals("llama", vocabulary.model());
        assertEquals(6, vocabulary.tokenTypes().get(3));
        assertTrue(vocabulary.flags().addSpacePrefix());
        Tokenizer written = Tokenizers.of(vocabulary);
        String inputs =
                Files.readString(Fixtures.require("tokenizers/ggml-vocab-llama-spm.gguf.inp"));
        for (String input : inputs.split("\n__ggml_vocab_test__\n", -1)) {
            assertArrayEquals(original.encode(input, false), written.encode(input, false), input);
        }
    }

    /// Words of a file begin with a mark, and what continues one does not.
    @Test
    void aWordPieceVocabularyOfAFolderEncodesAsRecorded() throws IOException {
        ObjectNode json = reference("wordpiece");
        GgufVocabulary vocabulary = vocabulary(json, 200, "bert");
        assertEquals("bert", vocabulary.model());
        assertEquals("[CLS]", vocabulary.tokens().get(2));
        assertEquals("[PAD199]", vocabulary.tokens().getLast());
        Tokenizer written = Tokenizers.of(vocabulary);
        for (JsonNode golden : golden("wordpiece", "golden.json")) {
            String text = golden.get("text").textValue();
            assertArrayEquals(
                    ids(golden.get("framed_ids")),
                    written.encode(text, new EncodeOptions(false, true)),
                    text);
        }
        Tokenizer folderTokenizer = Tokenizers.of(new TokenizerSource.Folder(folder));
        TokenPair expected = folderTokenizer.pair("the workers", "weights", true).orElseThrow();
        TokenPair actual = written.pair("the workers", "weights", true).orElseThrow();
        assertArrayEquals(expected.ids(), actual.ids());
        assertEquals(expected.second(), actual.second());
    }

    /// Files have lower case alone.
    @Test
    void aWordPieceVocabularyWithUpperCaseIsRefused() throws IOException {
        ObjectNode json = reference("wordpiece");
        ((ObjectNode) json.get("normalizer")).put("lowercase", false);
        String refusal =
                assertThrows(CheckpointException.class, () -> vocabulary(json, 200, "bert"))
                        .getMessage();
        assertTrue(
                String.valueOf(refusal).endsWith("splits text like none that GGUF files have"),
                refusal);
    }

    /// As XLM-RoBERTa has it: SentencePiece's own normalization, and the separator twice between
    /// two texts.
    @Test
    void aUnigramVocabularyOfAFolderEncodesAsItsFile() throws IOException {
        var source =
                (TokenizerSource.Gguf)
                        TokenizerSource.open(
                                Path.of("src/test/resources/references/gguf-unigram/model.gguf"));
        GgufVocabulary file = GgufKeys.vocabulary(source.metadata());
        Tokenizer original = Tokenizers.of(source);
        GgufVocabulary vocabulary =
                vocabulary(unigram(file, original), file.tokens().size(), "bert");
        assertEquals("t5", vocabulary.model());
        assertEquals(NORMALIZATION.length, vocabulary.characterMap().size());
        assertEquals(new GgufVocabulary.Flags(true, true, true, true), vocabulary.flags());
        assertEquals(GgufVocabulary.Pairs.ROBERTA, vocabulary.pairs());
        Tokenizer written = Tokenizers.of(vocabulary);
        int compared = 0;
        for (JsonNode golden : golden("gguf-unigram", "golden.json")) {
            String text = golden.get("text").textValue();
            // The recorded file keeps spaces at the ends, and several in a row.
            if (text.equals(text.strip()) && !text.matches("(?s).*(\\s\\s|[\\n\\t]).*")) {
                assertArrayEquals(original.encode(text, false), written.encode(text, false), text);
                compared++;
            }
        }
        assertTrue(compared > 2, "compared " + compared);
        assertArrayEquals(
                original.encode("find a b", false), written.encode("  ﬁnd\ta\n b ", false));
        int[] framed = written.encode("a", new EncodeOptions(false, true));
        assertEquals(1, framed[0]);
        assertEquals(2, framed[framed.length - 1]);
    }

    private static ObjectNode unigram(GgufVocabulary file, Tokenizer original) {
        ObjectNode json = JSON.createObjectNode();
        ObjectNode model =
                json.putObject("model")
                        .put("type", "Unigram")
                        .put("unk_id", file.specialIds().unknown().orElseThrow());
        ArrayNode entries = model.putArray("vocab");
        ArrayNode added = json.putArray("added_tokens");
        for (int id = 0; id < file.tokens().size(); id++) {
            entries.addArray().add(file.tokens().get(id)).add(file.scores().get(id).doubleValue());
            if (original.special(id)) {
                added.addObject()
                        .put("id", id)
                        .put("content", file.tokens().get(id))
                        .put("special", true);
            }
        }
        json.putObject("normalizer")
                .put("type", "Precompiled")
                .put("precompiled_charsmap", Base64.getEncoder().encodeToString(NORMALIZATION));
        ObjectNode steps = json.putObject("pre_tokenizer").put("type", "Sequence");
        ArrayNode list = steps.putArray("pretokenizers");
        list.addObject().put("type", "WhitespaceSplit");
        list.addObject()
                .put("type", "Metaspace")
                .put("replacement", "▁")
                .put("prepend_scheme", "always")
                .put("split", true);
        ObjectNode framing = json.putObject("post_processor").put("type", "RobertaProcessing");
        framing.putArray("sep").add(file.tokens().get(2)).add(2);
        framing.putArray("cls").add(file.tokens().get(1)).add(1);
        framing.put("trim_offsets", true).put("add_prefix_space", true);
        return json;
    }

    private static JsonNode golden(String name, String file) throws IOException {
        return JSON.readTree(Path.of("src/test/resources/references", name, file).toFile());
    }

    private static ObjectNode reference(String name) throws IOException {
        return (ObjectNode) golden(name, "tokenizer.json");
    }

    private static int[] ids(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false)
                .mapToInt(JsonNode::intValue)
                .toArray();
    }

    private static ObjectNode fixture() throws IOException {
        return (ObjectNode) JSON.readTree(Fixtures.require("models/llama/tokenizer.json").toFile());
    }

    private GgufVocabulary vocabulary(ObjectNode json, int ids) throws IOException {
        return vocabulary(json, ids, "llama");
    }

    private GgufVocabulary vocabulary(ObjectNode json, int ids, String architecture)
            throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), json.toString());
        return FolderVocabulary.of(new TokenizerSource.Folder(folder), ids, architecture);
    }
}

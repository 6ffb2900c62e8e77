// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Random ids decode to the text of the format's own library, at once and one by one.
@Tag("sweep")
final class DecodingOracleTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int SEQUENCES = 5_000;

    private static final String BYTE_LEVEL =
            "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}";
    private static final String LLAMA =
            "{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'▁'},'content':' '},"
                    + "{'type':'ByteFallback'},{'type':'Fuse'},{'type':'Strip','content':' ','start':1,'stop':0}]}";

    /// Pieces that trip decoders: symbols of all alphabets alone and repeated, bytes, and texts
    /// that clean-up changes.
    private static final String[] PIECES = {
        "a",
        "the",
        "▁",
        "▁▁",
        "▁the",
        "▁a▁b",
        "a▁",
        "##",
        "##ing",
        "##a",
        "#",
        ".",
        "!",
        ",",
        "?",
        "'",
        "n't",
        "'s",
        "do not",
        " do",
        "not",
        "'m",
        "'ve",
        "'re",
        "x .",
        " .",
        " ",
        "  ",
        " a",
        "a ",
        "",
        "é",
        "Ġ",
        "Ġthe",
        "Ċ",
        "ÃĠ",
        "Ã",
        "©",
        "Ã©",
        "我",
        "Ġ我",
        "æĪĳ",
        "æĪ",
        "ðŁĺ",
        "Ģ",
        "😀",
        "\uFFFD",
        "ï¿½",
        "\n",
        "</w>",
        "the</w>",
        "<0x4>",
        "<0xé>",
        "<0xGG>",
        "<0x0041>",
        "<0xｅ0>",
        "<0xfF>",
        "_",
        "__a"
    };

    @ParameterizedTest
    @ValueSource(
            strings = {
                BYTE_LEVEL,
                LLAMA,
                "{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'▁'},'content':' '},{'type':'ByteFallback'},{'type':'Fuse'}]}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'first','split':true}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'never','split':true}",
                "{'type':'Metaspace','replacement':'_','add_prefix_space':true}",
                "{'type':'Sequence','decoders':[{'type':'ByteFallback'},{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}]}",
                "{'type':'Sequence','decoders':[{'type':'ByteFallback'},{'type':'Metaspace','replacement':'▁','prepend_scheme':'never','split':true}]}",
                "{'type':'Sequence','decoders':[{'type':'ByteFallback'},{'type':'Fuse'},{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}]}",
                "{'type':'Sequence','decoders':[{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true},{'type':'ByteFallback'}]}",
                "{'type':'WordPiece','prefix':'##','cleanup':true}",
                "{'type':'WordPiece','prefix':'##','cleanup':false}",
                "{'type':'Sequence','decoders':[{'type':'WordPiece','prefix':'##','cleanup':true},{'type':'ByteFallback'},{'type':'Fuse'}]}",
                "{'type':'Sequence','decoders':[{'type':'Strip','content':'a','start':2,'stop':0},{'type':'ByteFallback'}]}",
                "{'type':'Sequence','decoders':[{'type':'Fuse'},{'type':'Strip','content':'a','start':3,'stop':0}]}",
                "{'type':'Sequence','decoders':[{'type':'Strip','content':'▁','start':1,'stop':0},{'type':'Fuse'},{'type':'Replace','pattern':{'String':'▁'},'content':'<>'}]}",
                "{'type':'Sequence','decoders':[{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true},{'type':'Strip','content':' ','start':1,'stop':0}]}",
                "{'type':'Sequence','decoders':[{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true},{'type':'Replace','pattern':{'String':'\uFFFD'},'content':'?'}]}",
                "{'type':'Replace','pattern':{'Regex':'(?=a)|▁+'},'content':'-'}",
                "{'type':'Replace','pattern':{'String':'▁a'},'content':' '}",
                "{'type':'Fuse'}",
                "null"
            })
    void everyDecoderOverHardPieces(String decoder) throws IOException {
        ObjectNode root = wordLevel();
        ObjectNode vocabulary = (ObjectNode) root.at("/model/vocab");
        for (String added : new String[] {"<unk>", "<s>", "[é]", "[Ġ]", "▁added", "né"}) {
            added(root, vocabulary.size(), added, vocabulary.size() < 4);
            vocabulary.put(added, vocabulary.size());
        }
        for (String piece : PIECES) {
            vocabulary.put(piece, vocabulary.size());
        }
        for (int b :
                new int[] {
                    0x41, 0x20, 0xC3, 0xA9, 0xE2, 0x96, 0x81, 0xED, 0xA0, 0xF0, 0x9F, 0x98, 0x80,
                    0xFF
                }) {
            // Between them and the pieces is a hole of three ids.
            vocabulary.put("<0x%02X>".formatted(b), vocabulary.size() + 3);
        }
        root.set("decoder", MAPPER.readTree(decoder.replace('\'', '"')));
        byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
        // The model of the reference is of another type that has the same vocabulary.
        ((ObjectNode) root.get("model")).put("type", "BPE").putArray("merges");
        compare(Tokenizers.ofJson(root.toString().getBytes(StandardCharsets.UTF_8)), json, decoder);
    }

    @Test
    void theFixturesTokenizer() throws IOException {
        byte[] json = Files.readAllBytes(Fixtures.require("models/llama/tokenizer.json"));
        compare(Tokenizers.ofJson(json), json, "models/llama");
    }

    @ParameterizedTest
    @ValueSource(strings = {"unigram", "unigram-first", "wordpiece", "bpe-template-bos"})
    void theRecordedTokenizers(String name) throws IOException {
        try (var file = getClass().getResourceAsStream("/references/" + name + "/tokenizer.json")) {
            byte[] json = Objects.requireNonNull(file, name).readAllBytes();
            compare(Tokenizers.ofJson(json), json, name);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "falcon", "starcoder", "deepseek-llm", "llama-spm", "phi-3"})
    void thePublishedVocabularies(String name) throws IOException {
        var source =
                (TokenizerSource.Gguf)
                        TokenizerSource.open(
                                Fixtures.require("tokenizers/ggml-vocab-" + name + ".gguf"));
        GgufVocabulary file = GgufKeys.vocabulary(source.metadata());
        boolean sentencePiece = file.model().equals("llama");
        ObjectNode root = wordLevel();
        ObjectNode vocabulary = (ObjectNode) root.at("/model/vocab");
        List<String> tokens = file.tokens();
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
            Vocabulary.Kind kind = file.kind(id);
            if (kind == Vocabulary.Kind.SPECIAL || kind == Vocabulary.Kind.ADDED) {
                added(root, id, tokens.get(id), kind == Vocabulary.Kind.SPECIAL);
            }
        }
        root.set(
                "decoder",
                MAPPER.readTree((sentencePiece ? LLAMA : BYTE_LEVEL).replace('\'', '"')));
        // The library takes an added token such as ü for a byte of its alphabet; in GGUF it is
        // text.
        compare(
                Tokenizers.of(file),
                root.toString().getBytes(StandardCharsets.UTF_8),
                name,
                id -> file.kind(id) != Vocabulary.Kind.ADDED || sentencePiece);
    }

    private static void compare(Tokenizer tokenizer, byte[] json, String message) {
        compare(tokenizer, json, message, id -> true);
    }

    private static void compare(
            Tokenizer tokenizer, byte[] json, String message, IntPredicate compared) {
        var random = new Random(5);
        try (var reference = new ReferenceTokenizer(json)) {
            for (int i = 0; i < SEQUENCES; i++) {
                boolean skip = random.nextBoolean();
                int[] ids =
                        random.ints(0, tokenizer.vocabularySize())
                                .filter(compared)
                                .limit(random.nextInt(14))
                                .toArray();
                String expected = reference.decode(ids, skip);
                String shown =
                        message
                                + " "
                                + Arrays.toString(ids)
                                + " skips "
                                + skip
                                + " "
                                + pieces(tokenizer, ids);
                assertEquals(expected, tokenizer.decode(ids, skip), shown);
                var detokenizer = new Detokenizer(tokenizer, skip, Detokenizer.Start.TEXT);
                var streamed = new StringBuilder();
                for (int id : ids) {
                    streamed.append(detokenizer.push(id));
                }
                streamed.append(detokenizer.finish());
                if (!expected.contains("\uFFFD")
                        || tokenizer.decoding().joining() == Decoding.Joining.ALL) {
                    assertEquals(expected, streamed.toString(), shown);
                }
            }
        }
    }

    private static List<String> pieces(Tokenizer tokenizer, int[] ids) {
        return Arrays.stream(ids).mapToObj(tokenizer::piece).toList();
    }

    private static ObjectNode wordLevel() {
        ObjectNode root = MAPPER.createObjectNode().put("version", "1.0");
        root.putArray("added_tokens");
        ObjectNode model =
                root.putObject("model").put("type", "WordLevel").put("unk_token", "<unk>");
        model.putObject("vocab");
        return root;
    }

    private static void added(ObjectNode root, int id, String content, boolean special) {
        ObjectNode token =
                ((ArrayNode) root.get("added_tokens"))
                        .addObject()
                        .put("id", id)
                        .put("content", content);
        for (String flag : new String[] {"single_word", "lstrip", "rstrip", "normalized"}) {
            token.put(flag, false);
        }
        token.put("special", special);
    }
}

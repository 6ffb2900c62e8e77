// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Every component of `tokenizer.json` in turn, used in one small tokenizer and compared with the
/// format's own library.
@Tag("sweep")
final class TokenizerJsonOracleTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int TEXTS = 150;

    private static final String GPT2 =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    private static final String LINES = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String KIMI_UPPER = UPPER.replace("]", "&&[^\\p{Han}]]");
    private static final String KIMI_LOWER = LOWER.replace("]", "&&[^\\p{Han}]]");

    @Test
    void theUnchangedFixture() {
        compare(root -> {});
    }

    @ParameterizedTest
    @CsvSource({"true,true", "true,false", "false,false"})
    void byteLevelWithAndWithoutPrefixAndPattern(boolean prefix, boolean pattern) {
        preTokenizer(
                "{'type':'ByteLevel','trim_offsets':true,'add_prefix_space':%s,'use_regex':%s}"
                        .formatted(prefix, pattern));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void digitsBeforeByteLevel(boolean individual) {
        preTokenizer(
                "{'type':'Sequence','pretokenizers':[{'type':'Digits','individual_digits':%s},{'type':'ByteLevel','trim_offsets':true,'add_prefix_space':false}]}"
                        .formatted(individual));
    }

    @Test
    void falconsOrderWithDigitsAfterTheBytes() {
        preTokenizer(
                "{'type':'Sequence','pretokenizers':[{'type':'Punctuation','behavior':'Contiguous'},"
                        + "{'type':'ByteLevel','trim_offsets':true,'add_prefix_space':false},{'type':'Digits','individual_digits':false},"
                        + "{'type':'Split','pattern':{'Regex':'[0-9][0-9][0-9]'},'behavior':'Isolated','invert':false}]}");
    }

    @Test
    void theWordPatternsInUse() {
        String[] expressions = {
            GPT2,
            CONTRACTIONS
                    + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + LINES,
            CONTRACTIONS
                    + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + LINES,
            "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
            CONTRACTIONS
                    + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
                    + LINES,
            "[^\\r\\n\\p{L}\\p{N}]?"
                    + UPPER
                    + "*"
                    + LOWER
                    + "+"
                    + CONTRACTIONS
                    + "?|[^\\r\\n\\p{L}\\p{N}]?"
                    + UPPER
                    + "+"
                    + LOWER
                    + "*"
                    + CONTRACTIONS
                    + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
                    + LINES,
            "[^\\r\\n\\p{L}\\p{N}]?"
                    + UPPER
                    + "*"
                    + LOWER
                    + "+|[^\\r\\n\\p{L}\\p{N}]?"
                    + UPPER
                    + "+"
                    + LOWER
                    + "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
                    + LINES,
            CONTRACTIONS
                    + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+"
                    + LINES,
            "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?"
                    + KIMI_UPPER
                    + "*"
                    + KIMI_LOWER
                    + "+"
                    + CONTRACTIONS
                    + "?|[^\\r\\n\\p{L}\\p{N}]?"
                    + KIMI_UPPER
                    + "+"
                    + KIMI_LOWER
                    + "*"
                    + CONTRACTIONS
                    + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + LINES,
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                    + "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
            "\\p{N}{1,3}",
            "[\r\n]",
            "\\s+$",
            "\\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+",
            "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
            "[一-龥぀-ゟ゠-ヿ]+",
            "\\w+|[^\\w\\s]+",
            // Without a hand-written pattern: matched by the general engine.
            "(?:\\p{Lu}\\p{Ll}*)+|\\d(?=\\D)|\\s{2}",
        };
        for (String expression : expressions) {
            compare(root -> root.set("pre_tokenizer", split(expression, "Isolated", false)));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"})
    void everyBehaviourOfASplit(String behavior) {
        for (boolean invert : new boolean[] {false, true}) {
            compare(root -> root.set("pre_tokenizer", split("\\p{P}|\\s", behavior, invert)));
        }
        preTokenizer(
                "{'type':'Sequence','pretokenizers':[{'type':'Split','pattern':{'String':' '},'behavior':'"
                        + behavior
                        + "','invert':false},{'type':'ByteLevel','trim_offsets':true,'add_prefix_space':false,'use_regex':false}]}");
        preTokenizer("{'type':'Punctuation','behavior':'" + behavior + "'}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'type':'Whitespace'}",
                "{'type':'WhitespaceSplit'}",
                "{'type':'BertPreTokenizer'}",
                "{'type':'CharDelimiterSplit','delimiter':'e'}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'first','split':true}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'never','split':false}"
            })
    void theOtherPreTokenizers(String json) {
        preTokenizer(json);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'type':'NFC'}",
                "{'type':'NFD'}",
                "{'type':'NFKC'}",
                "{'type':'NFKD'}",
                "{'type':'Lowercase'}",
                "{'type':'StripAccents'}",
                "{'type':'Nmt'}",
                "{'type':'Strip','strip_left':true,'strip_right':true}",
                "{'type':'Prepend','prepend':'_'}",
                "{'type':'Replace','pattern':{'String':' '},'content':'▁'}",
                "{'type':'Replace','pattern':{'Regex':'\\\\s+'},'content':' '}",
                "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,'lowercase':true}",
                "{'type':'BertNormalizer','clean_text':false,'handle_chinese_chars':true,'strip_accents':true,'lowercase':false}",
                "{'type':'Sequence','normalizers':[{'type':'NFD'},{'type':'StripAccents'},{'type':'Lowercase'}]}"
            })
    void everyNormalizer(String json) {
        compare(root -> root.set("normalizer", parse(json)));
    }

    @Test
    void addedTokensOfEveryKind() {
        compare(
                root -> {
                    var added = (ArrayNode) root.get("added_tokens");
                    added.add(addedToken(1024, "[X]", "lstrip"));
                    added.add(addedToken(1025, "<tool>", "rstrip"));
                    added.add(addedToken(1026, "the", "single_word"));
                    added.add(addedToken(1027, "DO NOT", "normalized"));
                    added.add(addedToken(1028, "  ", "special"));
                    added.add(addedToken(1029, "<", "special"));
                    root.set("normalizer", parse("{'type':'Lowercase'}"));
                });
    }

    @Test
    void addedTokensOfWhiteSpaceOverlapWhatOthersRemove() {
        for (String flag : new String[] {"special", "lstrip", "rstrip", "normalized"}) {
            compare(
                    root -> {
                        ((ArrayNode) root.get("added_tokens")).add(addedToken(1024, "  ", flag));
                    });
        }
    }

    @Test
    void theModelProducesNoTokenThatOnlyTheListOfAddedTokensHas() {
        compare(
                root -> {
                    var model = (ObjectNode) root.get("model");
                    model.put("ignore_merges", true);
                    ((ArrayNode) root.get("added_tokens"))
                            .add(addedToken(1024, "the", "single_word"))
                            .add(addedToken(1025, "ĠThe", "single_word"));
                });
    }

    @Test
    void sentencePieceLikeFilesWithByteFallback() {
        compare(
                root -> {
                    sentencePieceModel(root);
                    root.set(
                            "normalizer",
                            parse(
                                    "{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'▁'},"
                                            + "{'type':'Replace','pattern':{'String':' '},'content':'▁'}]}"));
                    root.set(
                            "decoder",
                            parse(
                                    "{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'▁'},'content':' '},"
                                            + "{'type':'ByteFallback'},{'type':'Fuse'},{'type':'Strip','content':' ','start':1,'stop':0}]}"));
                });
    }

    @Test
    void unknownCharactersAreOneTokenEachOrFused() {
        for (boolean fuse : new boolean[] {true, false}) {
            compare(
                    root -> {
                        sentencePieceModel(root);
                        ((ObjectNode) root.get("model"))
                                .put("byte_fallback", false)
                                .put("fuse_unk", fuse);
                    });
        }
    }

    @Test
    void wordsThatAreTokensTakePrecedenceOverTheirMerges() {
        compare(root -> ((ObjectNode) root.get("model")).put("ignore_merges", true));
    }

    @Test
    void unigramsWithUnknownCharactersOrTheirBytes() {
        for (boolean bytes : new boolean[] {true, false}) {
            compare(
                    root -> {
                        unigramModel(root, bytes);
                        root.set(
                                "pre_tokenizer",
                                parse(
                                        "{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}"));
                        root.set(
                                "decoder",
                                parse(
                                        "{'type':'Sequence','decoders':[{'type':'ByteFallback'},"
                                                + "{'type':'Metaspace','replacement':'▁','prepend_scheme':'never','split':true}]}"));
                    });
            compare(root -> unigramModel(root, bytes));
        }
    }

    @Test
    void aCompiledCharacterMap() {
        byte[] map =
                DoubleArray.of(
                        Map.of(
                                "ﬁ", "fi", "e\u0301", "é", "É", "e", "\t", " ", "½", "1/2", "the",
                                "X", "\u200B", ""));
        compare(
                root ->
                        root.set(
                                "normalizer",
                                MAPPER.createObjectNode()
                                        .put("type", "Precompiled")
                                        .put(
                                                "precompiled_charsmap",
                                                Base64.getEncoder().encodeToString(map))));
    }

    /// A GGUF file of Gemma 4 has the merges of its `tokenizer.json`.
    @Test
    void spacedMergesOfAGgufFile() {
        String[] pieces =
                "▁ t h e i n g a s d o 1 2 \n th he in ng ▁t ▁th ▁the ing ▁a an ▁▁ \n\n ▁in the 12"
                        .split(" ", -1);
        List<String> merges =
                List.of(
                        "t h", "h e", "i n", "n g", "▁ t", "▁ th", "▁t h", "▁th e", "in g", "i ng",
                        "▁ a", "a n", "▁ ▁", "\n \n", "▁ in", "th e", "t he", "1 2");
        Tokenizer tokenizer = TinyVocabularies.spacedMerges(merges, pieces);
        ObjectNode model =
                MAPPER.createObjectNode()
                        .put("type", "BPE")
                        .put("unk_token", "<unk>")
                        .put("fuse_unk", true)
                        .put("byte_fallback", true);
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            vocabulary.put(tokenizer.piece(id), id);
        }
        ArrayNode listed = model.putArray("merges");
        for (String merge : merges) {
            String[] halves = merge.split(" ", -1);
            listed.addArray().add(halves[0]).add(halves[1]);
        }
        ObjectNode root = fixture();
        root.set("model", model);
        root.putArray("added_tokens");
        root.putNull("pre_tokenizer");
        root.putNull("decoder");
        root.set(
                "normalizer",
                parse("{'type':'Replace','pattern':{'String':' '},'content':'\u2581'}"));
        var texts = new RandomText(13);
        try (var reference =
                new ReferenceTokenizer(root.toString().getBytes(StandardCharsets.UTF_8))) {
            for (int i = 0; i < TEXTS; i++) {
                String text = texts.next() + " the thing in\n\n\n  12 and " + i;
                assertArrayEquals(
                        reference.encode(text, false), tokenizer.encode(text, false), text);
            }
        }
    }

    @Test
    void wordPieces() {
        compare(
                root -> {
                    ObjectNode model =
                            MAPPER.createObjectNode()
                                    .put("type", "WordPiece")
                                    .put("unk_token", "<unk>");
                    model.put("continuing_subword_prefix", "##")
                            .put("max_input_chars_per_word", 12);
                    ObjectNode vocabulary = model.putObject("vocab");
                    for (String piece :
                            ("<unk> <s> </s> <|im_start|> <|im_end|> the th t ##h ##e ##ing in i ##n ##g a ab ##b 1 ##2 ##3"
                                            + " . , ! - ' s do not 在 我 x ##x < > ( ) ##ai ##ve na")
                                    .split(" ", -1)) {
                        vocabulary.put(piece, vocabulary.size());
                    }
                    root.set("model", model);
                    root.set(
                            "normalizer",
                            parse(
                                    "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,'lowercase':true}"));
                    root.set("pre_tokenizer", parse("{'type':'BertPreTokenizer'}"));
                    root.set("decoder", parse("{'type':'WordPiece','prefix':'##','cleanup':true}"));
                });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},{'Sequence':{'id':'A','type_id':0}},"
                        + "{'SpecialToken':{'id':'</s>','type_id':0}}],'pair':[{'Sequence':{'id':'A','type_id':0}},{'Sequence':{'id':'B','type_id':0}}],"
                        + "'special_tokens':{'<s>':{'id':'<s>','ids':[1],'tokens':['<s>']},'</s>':{'id':'</s>','ids':[2],'tokens':['</s>']}}}",
                "{'type':'RobertaProcessing','sep':['</s>',2],'cls':['<s>',1],'trim_offsets':true,'add_prefix_space':false}",
                "{'type':'BertProcessing','sep':['</s>',2],'cls':['<s>',1]}"
            })
    void everyPostProcessor(String json) {
        compare(root -> root.set("post_processor", parse(json)));
    }

    private static void preTokenizer(String json) {
        compare(root -> root.set("pre_tokenizer", parse(json)));
    }

    private static void compare(Consumer<ObjectNode> change) {
        ObjectNode root = fixture();
        ((ObjectNode) root.get("model")).put("unk_token", "<unk>");
        change.accept(root);
        byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
        String changed = root.deepCopy().without(List.of("model", "added_tokens")).toString();
        Tokenizer tokenizer = Tokenizers.ofJson(json);
        var texts = new RandomText(11);
        try (var reference = new ReferenceTokenizer(json)) {
            for (int i = 0; i < TEXTS; i++) {
                String text = texts.next();
                String message = changed + "\nfor «" + text + "»";
                int[] expected = reference.encode(text, true);
                assertArrayEquals(
                        expected, tokenizer.encode(text, new EncodeOptions(true, true)), message);
                assertEquals(
                        reference.decode(expected, false),
                        tokenizer.decode(expected, false),
                        message);
                assertEquals(
                        reference.decode(expected, true),
                        tokenizer.decode(expected, true),
                        message);
            }
        }
    }

    private static void sentencePieceModel(ObjectNode root) {
        var model = (ObjectNode) root.get("model");
        ObjectNode vocabulary = model.putObject("vocab");
        for (String special : new String[] {"<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"}) {
            vocabulary.put(special, vocabulary.size());
        }
        for (int b = 0; b < 256; b++) {
            vocabulary.put("<0x%02X>".formatted(b), vocabulary.size());
        }
        for (String piece :
                new String[] {
                    "▁", "t", "h", "e", "i", "n", "g", "a", "b", "x", "1", "2", "<", ">", "0", "A",
                    "é", "我", "▁t", "he", "▁the", "in", "ing", "▁▁", "▁▁▁", "ab", "▁a"
                }) {
            vocabulary.put(piece, vocabulary.size());
        }
        ArrayNode merges = model.putArray("merges");
        for (String merge :
                new String[] {"▁ t", "h e", "▁t he", "i n", "in g", "▁ ▁", "▁▁ ▁", "a b", "▁ a"}) {
            merges.add(merge);
        }
        model.put("byte_fallback", true).put("fuse_unk", true);
        root.putNull("pre_tokenizer");
        root.putNull("decoder");
    }

    private static void unigramModel(ObjectNode root, boolean bytes) {
        ObjectNode model =
                MAPPER.createObjectNode()
                        .put("type", "Unigram")
                        .put("unk_id", 0)
                        .put("byte_fallback", bytes);
        ArrayNode vocabulary = model.putArray("vocab");
        for (String special : new String[] {"<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"}) {
            vocabulary.addArray().add(special).add(0.0);
        }
        for (int b = 0; b < 256; b++) {
            // The library would encode the text <0x0A> as the byte token; this low score prevents
            // it.
            vocabulary.addArray().add("<0x%02X>".formatted(b)).add(-1000.0);
        }
        double score = -1.5;
        for (String piece :
                "▁ ▁the the th he t h e in ing n g i a b ab aba ▁a ▁▁ 1 12 123 2 . .. ... 我 我想 😀 é ' 's < 0 x A >"
                        .split(" ", -1)) {
            vocabulary.addArray().add(piece).add(score);
            score -= 0.37;
        }
        root.set("model", model);
        root.putNull("pre_tokenizer");
        root.putNull("decoder");
    }

    private static ObjectNode split(String expression, String behavior, boolean invert) {
        ObjectNode sequence = MAPPER.createObjectNode().put("type", "Sequence");
        ArrayNode steps = sequence.putArray("pretokenizers");
        ObjectNode split =
                steps.addObject()
                        .put("type", "Split")
                        .put("behavior", behavior)
                        .put("invert", invert);
        split.putObject("pattern").put("Regex", expression);
        steps.add(
                parse(
                        "{'type':'ByteLevel','trim_offsets':true,'add_prefix_space':false,'use_regex':false}"));
        return sequence;
    }

    private static ObjectNode addedToken(int id, String content, String flag) {
        ObjectNode token = MAPPER.createObjectNode().put("id", id).put("content", content);
        for (String name :
                new String[] {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
            token.put(name, name.equals(flag));
        }
        return token;
    }

    private static ObjectNode parse(String json) {
        try {
            return (ObjectNode) MAPPER.readTree(json.replace('\'', '"'));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ObjectNode fixture() {
        try {
            return (ObjectNode)
                    MAPPER.readTree(
                            Files.readAllBytes(Fixtures.require("models/llama/tokenizer.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TokenizerSource;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Encoding eight times the text costs about eight times the work, whatever the text; measured in
/// CPU time of this thread, so that other threads do not count, and with a wide margin.
final class LinearTimeTest {
    private static final int SHORT = 1 << 13;
    private static final int LONG = 8 * SHORT;

    /// Quadratic work would take 64 times as long; caches and the compiler change the factor of 8
    /// by less than 2.
    private static final double MAX_RATIO = 24;

    /// The time that a garbage collection or a compilation may add.
    private static final double SLACK_NANOS = 60e6;

    /// Encodings of a long text, of which the fastest counts.
    private static final int TRIES = 3;

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final String ADDED =
            "'added_tokens':[{'id':0,'content':'<|im_start|>','special':true},"
                    + "{'id':1,'content':'<s','special':false,'lstrip':true,'rstrip':true}],";

    @ParameterizedTest
    @ValueSource(
            strings = {"gpt-2", "smollm", "falcon", "llama-bpe", "gpt-4o", "tekken", "deepseek-v3"})
    void byteLevelVocabulariesAreLinearWithEveryPattern(String pre) {
        check(TinyVocabularies.byteLevel(pre, "a a", "aa aa", "aaaa aaaa", "' '", "Ġ Ġ"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void sentencePieceVocabulariesAreLinear(boolean spacePrefix) {
        check(
                TinyVocabularies.sentencePiece(
                        spacePrefix, "aa", "aaaa", "aaaaaaaa", "▁▁", "▁▁▁▁", "a", "▁", "<"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'pre_tokenizer':{'type':'BertPreTokenizer'},'normalizer':{'type':'BertNormalizer'},"
                        + "'model':{'type':'WordPiece','unk_token':'[UNK]','max_input_chars_per_word':1000000000,"
                        + "'vocab':{'<|im_start|>':0,'<s':1,'[UNK]':2,'a':3,'##a':4,'##aa':5,'##aaaaaaaa':6}}",
                "'normalizer':{'type':'NFKC'},'pre_tokenizer':{'type':'Metaspace','replacement':'▁','prepend_scheme':'always'},"
                        + "'model':{'type':'Unigram','unk_id':2,'byte_fallback':false,'vocab':[['<|im_start|>',0],['<s',0],['<unk>',0],"
                        + "['a',-2],['aa',-3],['aaaaaaaa',-4],['▁',-2],['▁▁▁▁',-3]]}",
                "'normalizer':{'type':'NFC'},'pre_tokenizer':{'type':'Split','behavior':'Isolated','invert':false,"
                        + "'pattern':{'Regex':'[a-c]+|\\\\s+(?!\\\\S)|\\\\d{1,2}|[^\\\\s\\\\p{L}]+'}},"
                        + "'model':{'type':'BPE','unk_token':'[UNK]','vocab':{'<|im_start|>':0,'<s':1,'[UNK]':2,'a':3,'aa':4},"
                        + "'merges':['a a']}"
            })
    void filesOfEveryModelAreLinear(String json) {
        String whole = "{" + ADDED + json + "}";
        check(Tokenizers.ofJson(whole.replace('\'', '"').getBytes(StandardCharsets.UTF_8)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "llama-spm", "deepseek-llm"})
    void publishedVocabulariesAreLinear(String name) {
        Path file = Fixtures.require("tokenizers/ggml-vocab-" + name + ".gguf");
        check(Tokenizers.of(TokenizerSource.open(file)));
    }

    private static void check(Tokenizer tokenizer) {
        Map<String, String> longTexts = HardTexts.all(LONG);
        HardTexts.all(SHORT)
                .forEach(
                        (name, text) -> {
                            long once = nanos(tokenizer, text);
                            String longText = longTexts.getOrDefault(name, "");
                            long more = nanos(tokenizer, longText);
                            double limit = MAX_RATIO * once + SLACK_NANOS;
                            for (int i = 1; i < TRIES && more > limit; i++) {
                                more = Math.min(more, nanos(tokenizer, longText));
                            }
                            assertTrue(
                                    more <= limit,
                                    "%s: %d characters took %d us, %d took %d us"
                                            .formatted(
                                                    name, SHORT, once / 1000, LONG, more / 1000));
                        });
    }

    private static long nanos(Tokenizer tokenizer, String text) {
        long start = THREADS.getCurrentThreadCpuTime();
        tokenizer.encode(text, true);
        return THREADS.getCurrentThreadCpuTime() - start;
    }
}

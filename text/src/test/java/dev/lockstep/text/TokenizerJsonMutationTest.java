// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.fail;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Damaged files are refused with [IllegalArgumentException], never with another exception, a hang
/// or memory exhaustion.
final class TokenizerJsonMutationTest {
    private static final String HEAD =
            """
            {"added_tokens":[{"id":0,"content":"<s>","special":true,"lstrip":true},{"id":9,"content":"it","single_word":true}],
             "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"\\\\s{2}"},"content":" "},
              {"type":"Strip","strip_left":true},{"type":"Prepend","prepend":"_"}]},
             "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"[a-c\\\\p{L}]+"},"behavior":"Isolated"},
              {"type":"Metaspace","replacement":"_","prepend_scheme":"first"},{"type":"ByteLevel","add_prefix_space":true}]},
             "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],
              "special_tokens":{"<s>":{"ids":[0]}}},
             "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
             "model":""";

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"BPE\",\"unk_token\":\"<s>\",\"byte_fallback\":true,\"vocab\":{\"a\":1,\"b\":2,\"ab\":3},\"merges\":[\"a b\",[\"a\",\"b\"]]}}",
                "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<s>\",0],[\"a\",-1.5],[\"ab\",-2e3]]}}",
                "{\"type\":\"WordPiece\",\"unk_token\":\"<s>\",\"max_input_chars_per_word\":9,\"vocab\":{\"a\":1,\"##b\":2}}}"
            })
    void aDamagedFileIsAnIllegalArgument(String model) {
        String whole = HEAD + model;
        Tokenizers.ofJson(whole.getBytes(StandardCharsets.UTF_8)).encode("ab it <s>", true);
        var random = new Random(17);
        for (int round = 0; round < 1_500; round++) {
            byte[] damaged = damage(whole, random);
            try {
                Tokenizer tokenizer = Tokenizers.ofJson(damaged);
                tokenizer.decode(
                        tokenizer.encode("ab it  <s>é😀", new EncodeOptions(true, true)), false);
            } catch (RuntimeException e) {
                if (e instanceof IllegalArgumentException) {
                    continue;
                }
                fail("round " + round + ": " + new String(damaged, StandardCharsets.UTF_8), e);
            }
        }
    }

    private static byte[] damage(String whole, Random random) {
        var damaged = new StringBuilder(whole);
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            int at = random.nextInt(damaged.length());
            int from = random.nextInt(whole.length() - 20);
            switch (random.nextInt(5)) {
                case 0 -> damaged.setCharAt(at, (char) random.nextInt(0x500));
                case 1 ->
                        damaged.setCharAt(
                                at, "0123456789-{}[]\",:\\ntf".charAt(random.nextInt(22)));
                case 2 -> damaged.delete(at, at + 1 + random.nextInt(4));
                case 3 -> damaged.insert(at, whole, from, from + random.nextInt(20));
                default -> damaged.setLength(random.nextInt(20) == 0 ? at + 1 : damaged.length());
            }
            damaged.append(damaged.isEmpty() ? "{" : "");
        }
        return damaged.toString().getBytes(StandardCharsets.UTF_8);
    }
}

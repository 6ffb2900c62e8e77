// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.GgufBytes;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests of how the tokenizer of a GGUF file joins two texts: as that of the folder does.
final class GgufPairTest {
    private static final int CLS = 1;
    private static final int SEP = 2;

    @TempDir private Path folder;

    private Optional<TokenPair> pair(String architecture, String model, boolean... twoSeparators)
            throws IOException {
        GgufBytes bytes =
                new GgufBytes(3)
                        .text("general.architecture", architecture)
                        .text("tokenizer.ggml.model", model)
                        .texts(
                                "tokenizer.ggml.tokens",
                                List.of("<unk>", "<s>", "</s>", "\u2581a", "\u2581b"))
                        .reals("tokenizer.ggml.scores", List.of(0f, 0f, 0f, -1f, -2f))
                        .numbers("tokenizer.ggml.token_type", List.of(2, 3, 3, 1, 1))
                        .number("tokenizer.ggml.bos_token_id", CLS)
                        .number("tokenizer.ggml.eos_token_id", SEP)
                        .number("tokenizer.ggml.unknown_token_id", 0);
        for (boolean flag : twoSeparators) {
            bytes.value("tokenizer.ggml.add_sep_token", 7, new byte[] {(byte) (flag ? 1 : 0)});
        }
        Path file = folder.resolve("model.gguf");
        Files.write(file, bytes.build());
        return Tokenizers.of(TokenizerSource.open(file)).pair("a", "b", true);
    }

    private static void assertPair(int second, TokenPair pair, int... ids) {
        assertArrayEquals(ids, pair.ids());
        assertEquals(second, pair.second());
    }

    @Test
    void bertHasOneSeparatorAndTypes() throws IOException {
        assertPair(3, pair("bert", "bert").orElseThrow(), CLS, 3, SEP, 4, SEP);
        assertPair(3, pair("bert", "bert", true).orElseThrow(), CLS, 3, SEP, 4, SEP);
    }

    @Test
    void xlmRobertaHasTwoSeparatorsUnlessTheFileSaysOne() throws IOException {
        int[] two = {CLS, 3, SEP, SEP, 4, SEP};
        assertPair(6, pair("bert", "t5").orElseThrow(), two);
        assertPair(6, pair("bert", "t5", true).orElseThrow(), two);
        assertPair(3, pair("bert", "t5", false).orElseThrow(), CLS, 3, SEP, 4, SEP);
    }

    @Test
    void aDecoderHasNoRule() throws IOException {
        assertEquals(Optional.empty(), pair("llama", "llama"));
    }
}

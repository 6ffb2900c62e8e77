// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.checkpoint.GgufBytes;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GgufStripsTest {
    private static final String PROMPT = "<|user|>\nHi<|end|>\n<s>\nHi";

    @TempDir private Path folder;

    @Test
    void whiteSpaceAfterAMarkerBelongsToItInPhi3Only() throws IOException {
        for (String name : List.of("Phi3", "Phi 3 Mini 4k Instruct", "Phi-3.5-mini")) {
            assertArrayEquals(new int[] {3, 5, 4, 1, 7, 5}, encode(named(name)), name);
        }
        assertArrayEquals(
                new int[] {3, 5, 4, 1, 7, 5},
                encode(new GgufBytes(3).text("general.architecture", "phi3")));
        for (String name : List.of("Phi-2", "Dolphin 3", "Phi-4")) {
            assertArrayEquals(new int[] {3, 7, 5, 4, 7, 1, 7, 5}, encode(named(name)), name);
        }
    }

    private static GgufBytes named(String name) {
        return new GgufBytes(3).text("general.architecture", "llama").text("general.name", name);
    }

    private int[] encode(GgufBytes header) throws IOException {
        Path file = folder.resolve("model.gguf");
        Files.write(
                file,
                header.text("tokenizer.ggml.model", "llama")
                        .texts(
                                "tokenizer.ggml.tokens",
                                List.of(
                                        "<unk>",
                                        "<s>",
                                        "</s>",
                                        "<|user|>",
                                        "<|end|>",
                                        "Hi",
                                        "H",
                                        "\n",
                                        "i"))
                        .reals(
                                "tokenizer.ggml.scores",
                                List.of(0f, 0f, 0f, 0f, 0f, -1f, -2f, -3f, -4f))
                        .numbers("tokenizer.ggml.token_type", List.of(2, 3, 4, 3, 3, 1, 1, 1, 1))
                        .value("tokenizer.ggml.add_space_prefix", 7, new byte[] {0})
                        .build());
        return Tokenizers.of(TokenizerSource.open(file)).encode(PROMPT, true);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.GgufBytes;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.SpecialIds;
import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class EndTokensTest {
    private static final int NORMAL = 1;
    private static final int CONTROL = 3;

    /// The number of rows of the output of [GgufBytes#llamaTensors].
    private static final int OUTPUTS = 256;

    @TempDir private Path folder;

    @Test
    void theEndOfATurnOfAGgufFileEndsATextWhateverItsType() throws IOException {
        for (int type : List.of(CONTROL, NORMAL)) {
            Path file = gguf(type, "<|im_start|>", "<|im_end|>");
            assertEquals(List.of(2, 4), ends(file));
            Tokenizer tokenizer = tokenizer(file);
            assertTrue(tokenizer.special(4));
            assertArrayEquals(new int[] {4}, tokenizer.encode("<|im_end|>", true));
            assertEquals("</s>", tokenizer.eosText());
        }
    }

    @Test
    void aMarkerOfPhi3EndsATextAndTheSameNameWithinHarmonyDoesNot() throws IOException {
        assertEquals(List.of(2, 3, 4), ends(gguf(NORMAL, "<|end|>", "<|endoftext|>")));
        assertEquals(List.of(2, 4, 5), ends(gguf(NORMAL, "<|end|>", "<|return|>", "<|call|>")));
    }

    @Test
    void aMarkerThatTheMergesSpellIsSpecialAndNoTextBecomesIt() {
        Tokenizer tokenizer =
                TinyVocabularies.byteLevel("", "[ E", "[E O", "[EO T", "[EOT ]", "[EOT] s");
        int marker = tokenizer.idOf("[EOT]").orElseThrow();
        assertTrue(tokenizer.special(marker));
        int[] ids = tokenizer.encode("[EOT]", false);
        assertTrue(Arrays.stream(ids).noneMatch(id -> id == marker));
        assertEquals("[EOT]", tokenizer.decode(ids, true));
    }

    @Test
    void theOtherEndIdsOfAGgufFileCount() throws IOException {
        Path file = folder.resolve("ids.gguf");
        Files.write(
                file,
                vocabulary(NORMAL, "x", "y", "z")
                        .number("tokenizer.ggml.eos_token_id", 2)
                        .number("tokenizer.ggml.eot_token_id", 4)
                        .number("tokenizer.ggml.eom_token_id", 5)
                        .llamaTensors()
                        .build());
        assertEquals(List.of(2, 4, 5), ends(file));
        assertEquals("</s>", tokenizer(file).eosText());
    }

    @Test
    void theEndTokenThatOnlyTheTokenizerOfAFolderNamesEndsAText() throws IOException {
        TinyCheckpoint.write(folder, 1);
        int named = tokenizer(folder).idOf("a").orElseThrow();
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\":\"a\"}");
        Files.delete(folder.resolve("generation_config.json"));
        Path config = folder.resolve("config.json");
        Files.writeString(
                config, Files.readString(config).replace("\"eos_token_id\" : 2", "\"x\" : 2"));
        // 0 and 2 are known markers.
        assertEquals(List.of(named, 0, 2), ends(folder));
    }

    @Test
    void aCharacterThatTheFilesNameAsASpecialTokenIsNotLostFromText() throws IOException {
        TinyCheckpoint.write(folder, 1);
        int[] ids = tokenizer(folder).encode("!a!", false);
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"pad_token\":\"!\"}");
        assertArrayEquals(ids, tokenizer(folder).encode("!a!", false));
    }

    @Test
    void theTemplateGetsTheEndTokenOfTheTokenizerAndNotTheFirstOfTheConfiguration()
            throws IOException {
        TinyCheckpoint.write(folder, 1);
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\":[7,2]}");
        assertEquals(List.of(7, 2, 0), ends(folder));
        Tokenizer tokenizer = tokenizer(folder);
        ChatTemplate template =
                ChatTemplate.parse("{{eos_token}}", tokenizer.bosText(), tokenizer.eosText());
        assertEquals(
                "<|im_end|>",
                template.render(
                        ChatVariables.of(List.of(Map.of("role", "user", "content", "")), true),
                        java.time.Clock.systemUTC()));
    }

    @Test
    void anIdThatTheModelCannotGenerateIsLeftOut() {
        var ids = new SpecialIds(OptionalInt.empty(), List.of(9, 10));
        assertEquals(List.of(9), EndTokens.of(ids, 10, Optional.empty()).ids());
    }

    private Path gguf(int type, String... more) throws IOException {
        Path file = folder.resolve(String.join("", more).replaceAll("\\W", "") + type + ".gguf");
        Files.write(
                file,
                vocabulary(type, more)
                        .number("tokenizer.ggml.eos_token_id", 2)
                        .llamaTensors()
                        .build());
        return file;
    }

    /// Returns a header with `<unk>` 0, `<s>` 1, `</s>` 2, then `more`, all of one type, then
    /// ordinary tokens.
    private static GgufBytes vocabulary(int type, String... more) {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        List<Integer> types = new ArrayList<>(List.of(2, CONTROL, CONTROL));
        for (String token : more) {
            tokens.add(token);
            types.add(type);
        }
        while (tokens.size() < OUTPUTS) {
            types.add(NORMAL);
            tokens.add("t" + tokens.size());
        }
        return GgufBytes.llama()
                .text("tokenizer.ggml.model", "gpt2")
                .texts("tokenizer.ggml.tokens", tokens)
                .numbers("tokenizer.ggml.token_type", types);
    }

    private static Tokenizer tokenizer(Path model) {
        return Tokenizers.of(Checkpoint.open(model).tokenizer());
    }

    private static List<Integer> ends(Path model) {
        ModelConfig config = Checkpoint.open(model).config();
        return EndTokens.of(
                        config.specialIds(), config.vocabularySize(), Optional.of(tokenizer(model)))
                .ids();
    }
}

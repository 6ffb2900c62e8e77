// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GgufCheckpointTest {
    @ParameterizedTest
    @CsvSource({
        "F32, F32",
        "F16, F16",
        "BF16, BF16",
        "Q8_0, Q8_0",
        "Q4_0, Q4_0",
        "Q4_1, Q4_1",
        "Q5_0, Q5_0",
        "Q5_1, Q5_1",
        "Q2_K, Q2_K",
        "Q3_K_M, Q3_K",
        "Q4_K_M, Q4_K",
        "Q5_K_M, Q5_K",
        "Q6_K, Q6_K",
        "IQ4_NL, IQ4_NL"
    })
    void everyGgufFixtureMatchesItsReadme(String file, TensorType type) {
        Checkpoint checkpoint = Checkpoint.open(Fixtures.require("gguf/llama-" + file + ".gguf"));
        checkpoint.requireSupportedTypes();
        assertEquals(
                new ModelConfig(
                        "llama",
                        256,
                        2,
                        512,
                        1024,
                        512,
                        1e-5,
                        new AttentionConfig(8, 4, 32, false),
                        new RopeConfig(10_000, 32, new RopeScaling.None()),
                        new RopeConfig(10_000, 32, new RopeScaling.None()),
                        false,
                        List.of(KvGroup.full(List.of(0, 1))),
                        new SpecialIds(OptionalInt.of(1), List.of(2)),
                        type),
                checkpoint.config());
        assertEquals(21, checkpoint.tensorNames().size());
        WeightMatrix down = checkpoint.tensor("model.layers.1.mlp.down_proj.weight");
        assertEquals(type, down.type());
        assertEquals(256, down.rows());
        assertEquals(512, down.columns());
        assertEquals(TensorType.F32, checkpoint.tensor("model.norm.weight").type());
        assertTrue(checkpoint.has("lm_head.weight"));
    }

    @Test
    void onlyQAndKAreReorderedToHuggingFaceOrder() {
        Checkpoint checkpoint = Checkpoint.open(Fixtures.require("gguf/llama-F32.gguf"));
        WeightMatrix q = checkpoint.tensor("model.layers.0.self_attn.q_proj.weight");
        assertEquals(new RowOrder.AdjacentPairs(32), q.order());
        assertEquals(32, q.storedRow(32));
        assertEquals(34, q.storedRow(33));
        assertEquals(33, q.storedRow(48));
        assertEquals(
                new RowOrder.AsIs(),
                checkpoint.tensor("model.layers.0.self_attn.v_proj.weight").order());
    }

    @ParameterizedTest
    @CsvSource({
        "gpt-2, gpt2, 50257", "starcoder, gpt2, 49152", "falcon, gpt2, 65024",
        "deepseek-llm, gpt2, 102400", "llama-spm, llama, 32000", "phi-3, llama, 32064"
    })
    void aVocabularyAloneHasATokenizerAndNoConfiguration(String name, String model, int ids) {
        Path path = Fixtures.require("tokenizers/ggml-vocab-" + name + ".gguf");
        Checkpoint checkpoint = Checkpoint.open(path);
        Refused.naming(checkpoint::config, path.toString(), "without weights");
        assertTrue(checkpoint.tokenizer().hasTokenizer());
        GgufMetadata metadata = ((TokenizerSource.Gguf) checkpoint.tokenizer()).metadata();
        assertEquals(Optional.of(model), metadata.text("tokenizer.ggml.model"));
        assertEquals(ids, metadata.texts("tokenizer.ggml.tokens").orElseThrow().size());
        assertEquals(ids, metadata.integers("tokenizer.ggml.token_type").orElseThrow().length);
        if (model.equals("llama")) {
            assertEquals(ids, metadata.floats("tokenizer.ggml.scores").orElseThrow().length);
            assertEquals(Optional.of(true), metadata.flag("tokenizer.ggml.add_bos_token"));
        } else {
            assertTrue(metadata.count("tokenizer.ggml.merges") > 30_000);
        }
    }

    @Test
    void aDigestDependsOnTheContentAndNotTheName(@TempDir Path folder) throws IOException {
        byte[] bytes = GgufBytes.llama().llamaTensors().build();
        Checkpoint first = Checkpoint.open(Files.write(folder.resolve("a.gguf"), bytes));
        Checkpoint renamed = Checkpoint.open(Files.write(folder.resolve("b.gguf"), bytes));
        assertEquals(first.digest(), renamed.digest());
        bytes[bytes.length / 2] ^= 1;
        Checkpoint changed = Checkpoint.open(Files.write(folder.resolve("c.gguf"), bytes));
        assertNotEquals(first.digest(), changed.digest());
        assertEquals(first.tokenizerDigest(), changed.tokenizerDigest());
        byte[] withTokens =
                GgufBytes.llama()
                        .texts("tokenizer.ggml.tokens", List.of("a"))
                        .llamaTensors()
                        .build();
        Checkpoint other = Checkpoint.open(Files.write(folder.resolve("d.gguf"), withTokens));
        assertNotEquals(first.tokenizerDigest(), other.tokenizerDigest());
    }

    @Test
    void aSplitModelIsOpenedByItsFirstFile(@TempDir Path folder) throws IOException {
        Path first = folder.resolve("m-00001-of-00002.gguf");
        Path second = folder.resolve("m-00002-of-00002.gguf");
        Files.write(first, GgufBytes.llama().number("split.count", 2).llamaTensors().build());
        byte[] rest =
                new GgufBytes(3)
                        .number("split.count", 2)
                        .tensor("output.weight", 0, 64, 256)
                        .build();
        Refused.naming(() -> Checkpoint.open(first), "m-00002-of-00002.gguf is missing");
        Files.write(second, rest);
        Checkpoint checkpoint = Checkpoint.open(first);
        assertFalse(checkpoint.config().tiedEmbeddings());
        assertEquals(256, checkpoint.tensor("lm_head.weight").rows());
        Refused.naming(() -> Checkpoint.open(second), "name the first");
        Path renamed = Files.copy(first, folder.resolve("renamed.gguf"));
        Refused.naming(() -> Checkpoint.open(renamed), "split into 2 files");
    }

    @Test
    void partsOfDifferentModelsAreNamed(@TempDir Path folder) throws IOException {
        Path first = folder.resolve("m-00001-of-00002.gguf");
        Path second = folder.resolve("m-00002-of-00002.gguf");
        Files.write(
                first,
                GgufBytes.llama()
                        .number("split.count", 2)
                        .number("split.tensors.count", 13)
                        .llamaTensors()
                        .build());
        Files.write(second, part(0, 2).tensor("output.weight", 0, 64, 256).build());
        Refused.naming(() -> Checkpoint.open(first), second.toString(), "part 1 of 2");
        Files.write(second, part(1, 3).tensor("output.weight", 0, 64, 256).build());
        Refused.naming(() -> Checkpoint.open(first), second.toString(), "part 2 of 3");
        Files.write(second, part(1, 2).tensor("output.weight", 0, 64, 256).build());
        Refused.naming(() -> Checkpoint.open(first), "split.tensors.count is 13", "hold 12");
        Files.write(second, part(1, 2).build());
        Refused.naming(() -> Checkpoint.open(first), "hold 11 tensors");
    }

    private static GgufBytes part(int number, int count) {
        return new GgufBytes(3).number("split.no", number).number("split.count", count);
    }
}

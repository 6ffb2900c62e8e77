package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
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
    void everyGgufFixtureReadsAsItsReadmeSays(String file, TensorType type) {
        Checkpoint checkpoint = Checkpoint.open(Fixtures.path("gguf/llama-" + file + ".gguf"));
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
        WeightSlice down = checkpoint.tensor("model.layers.1.mlp.down_proj.weight");
        assertEquals(type, down.type());
        assertEquals(256, down.rows());
        assertEquals(512, down.columns());
        assertEquals(TensorType.F32, checkpoint.tensor("model.norm.weight").type());
        assertTrue(checkpoint.has("lm_head.weight"));
    }

    @Test
    void qAndKAreReadInHuggingFaceOrderAndNothingElseIs() {
        Checkpoint checkpoint = Checkpoint.open(Fixtures.path("gguf/llama-F32.gguf"));
        WeightSlice q = checkpoint.tensor("model.layers.0.self_attn.q_proj.weight");
        assertEquals(new RowOrder.AdjacentPairs(32), q.order());
        assertEquals(32, q.storedRow(32));
        assertEquals(34, q.storedRow(33));
        assertEquals(33, q.storedRow(48));
        assertEquals(
                new RowOrder.AsIs(),
                checkpoint.tensor("model.layers.0.self_attn.v_proj.weight").order());
    }

    @Test
    void aVocabularyAloneHasATokenizerAndNoConfiguration() {
        Path path = Fixtures.path("tokenizers/ggml-vocab-gpt-2.gguf");
        Checkpoint checkpoint = Checkpoint.open(path);
        assertTrue(checkpoint.tokenizer().hasTokenizer());
        CheckpointException e = assertThrows(CheckpointException.class, checkpoint::config);
        assertTrue(e.getMessage().contains("without weights"), e.getMessage());
    }
}

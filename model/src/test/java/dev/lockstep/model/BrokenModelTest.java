// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Undamaged files that do not match: tensors and configuration of different models.
@Tag("sweep")
class BrokenModelTest {
    @TempDir Path folder;

    static Stream<String> tensors() {
        return TinyModel.llama("LlamaForCausalLM").shapes().keySet().stream()
                .filter(name -> !name.startsWith("model.layers.1"));
    }

    @ParameterizedTest
    @MethodSource("tensors")
    void aMissingTensorIsNamed(String name) throws Exception {
        TinyModel.llama("LlamaForCausalLM").without(name).write(folder);
        requireRefused("tensor " + name + " is missing");
    }

    @ParameterizedTest
    @MethodSource("tensors")
    void aTensorOfAnotherShapeIsNamedWithBothShapes(String name) throws Exception {
        TinyModel model = TinyModel.llama("LlamaForCausalLM");
        List<Long> shape = List.copyOf(model.shapes().get(name));
        for (int dimension = 0; dimension < shape.size(); dimension++) {
            for (long size : new long[] {0, 1, shape.get(dimension) + 1}) {
                List<Long> other = new ArrayList<>(shape);
                other.set(dimension, size);
                model.tensor(name, other.toArray(Long[]::new)).write(folder);
                requireRefused(name, "the configuration needs");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "hidden_size, 32, input_layernorm",
        "hidden_size, 128, input_layernorm",
        "num_attention_heads, 8, k_proj",
        "num_attention_heads, 2, k_proj",
        "num_key_value_heads, 4, k_proj",
        "num_key_value_heads, 1, k_proj",
        "num_hidden_layers, 4, model.layers.3",
        "intermediate_size, 64, mlp",
        "vocab_size, 159, embed_tokens",
        "vocab_size, 161, embed_tokens",
        "head_dim, 32, q_proj",
        "head_dim, 15, rotary size 15"
    })
    void aConfigurationOfAnotherModelIsRefused(String key, String value, String named)
            throws Exception {
        TinyModel.llama("LlamaForCausalLM").with(key, value).write(folder);
        requireRefused(named);
    }

    @Test
    void aFamilyWhoseLayersAllKeepKeysAndValuesRefusesToShareThem() throws Exception {
        TinyModel.llama("LlamaForCausalLM").with("num_kv_shared_layers", 1).write(folder);
        requireRefused(
                "num_kv_shared_layers makes layer 2 read keys and values of an earlier one, which LlamaForCausalLM does not");
    }

    @Test
    void aMissingOutputHeadIsNamed() throws Exception {
        TinyModel.llama("LlamaForCausalLM").without("lm_head.weight").write(folder);
        requireRefused("lm_head.weight is missing");
    }

    /// Requires a one-line refusal when the model is opened or loaded, and the same one from
    /// headers.
    private void requireRefused(String... named) {
        RuntimeException refusal =
                assertThrows(
                        RuntimeException.class,
                        () -> TestGroup.load(folder, 1, "f32", "f32").close());
        String line = String.valueOf(refusal.getMessage());
        assertEquals(
                line,
                assertThrows(
                                CheckpointException.class,
                                () -> ModelSource.open(folder).requireLoadable(1))
                        .getMessage());
        assertTrue(refusal instanceof CheckpointException, refusal::toString);
        assertTrue(line.contains(folder.toString()), line);
        assertFalse(line.contains("\n"), line);
        for (String each : named) {
            assertTrue(line.contains(each), () -> "no \"" + each + "\" in: " + line);
        }
    }
}

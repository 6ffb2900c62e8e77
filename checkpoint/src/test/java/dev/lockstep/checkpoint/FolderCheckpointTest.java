// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FolderCheckpointTest {
    @Test
    void theLlamaFixtureMatchesItsReadme() {
        Checkpoint checkpoint = Checkpoint.open(Fixtures.require("models/llama"));
        ModelConfig config = checkpoint.config();
        assertEquals(
                new ModelConfig(
                        "LlamaForCausalLM",
                        128,
                        3,
                        256,
                        1024,
                        512,
                        1e-6,
                        new AttentionConfig(4, 2, 32, false),
                        new RopeConfig(10_000, 32, new RopeScaling.None()),
                        new RopeConfig(10_000, 32, new RopeScaling.None()),
                        false,
                        List.of(KvGroup.full(List.of(0, 1, 2))),
                        new SpecialIds(OptionalInt.of(1), List.of(2)),
                        TensorType.F32),
                config);
        assertEquals(705_408, checkpoint.parameterCount());
        WeightMatrix k = checkpoint.tensor("model.layers.0.self_attn.k_proj.weight");
        assertEquals(64, k.rows());
        assertEquals(128, k.columns());
        assertEquals(1, checkpoint.tensor("model.norm.weight").columns());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gemma2",
                "gemma3",
                "gpt2",
                "granite",
                "llama",
                "llama-yarn",
                "llama3-rope",
                "mistral-swa",
                "mixtral",
                "olmo2",
                "phi3",
                "qwen2",
                "qwen3",
                "qwen3-moe",
                "starcoder2"
            })
    void everyModelFixtureOpens(String name) {
        Checkpoint checkpoint = Checkpoint.open(Fixtures.require("models/" + name));
        assertEquals(128, checkpoint.config().hiddenSize());
        assertEquals(512, checkpoint.config().contextLength());
        assertEquals(1024, checkpoint.config().vocabularySize());
        assertEquals(List.of(2), checkpoint.config().specialIds().eos());
        checkpoint.requireSupportedTypes();
        for (String tensor : checkpoint.tensorNames()) {
            WeightMatrix weight = checkpoint.tensor(tensor);
            assertEquals(
                    checkpoint.tensorInfo(tensor).orElseThrow().byteSize(),
                    weight.rows() * weight.type().rowBytes(weight.columns()));
        }
    }

    @Test
    void aRopeScalingIsReadWithItsParameters() {
        assertEquals(
                new RopeScaling.Llama3(8, 1, 4, 64),
                Checkpoint.open(Fixtures.require("models/llama3-rope")).config().rope().scaling());
        RopeScaling yarn =
                Checkpoint.open(Fixtures.require("models/llama-yarn")).config().rope().scaling();
        assertTrue(
                yarn instanceof RopeScaling.Yarn read
                        && read.factor() == 4
                        && read.originalContext() == 64
                        && read.betaFast() == 32
                        && read.betaSlow() == 1
                        && read.attentionFactor().isEmpty());
    }

    @Test
    void layersWithWindowsFormTheirOwnGroup() {
        ModelConfig gemma = Checkpoint.open(Fixtures.require("models/gemma2")).config();
        assertEquals(
                List.of(KvGroup.window(List.of(0, 2), 16), KvGroup.full(List.of(1))),
                gemma.kvGroups());
        assertEquals(OptionalInt.of(16), gemma.window(2));
        assertEquals(OptionalInt.empty(), gemma.window(1));
        ModelConfig gemma3 = Checkpoint.open(Fixtures.require("models/gemma3")).config();
        assertEquals(10_000, gemma3.rope(0).theta());
        assertEquals(1_000_000, gemma3.rope(5).theta());
    }

    @Test
    void tiedHeadsAndBiasesAreDetectedFromTheTensors() {
        Checkpoint qwen = Checkpoint.open(Fixtures.require("models/qwen2"));
        assertTrue(qwen.config().tiedEmbeddings());
        assertTrue(qwen.config().attention().bias());
        assertFalse(qwen.has("lm_head.weight"));
    }
}

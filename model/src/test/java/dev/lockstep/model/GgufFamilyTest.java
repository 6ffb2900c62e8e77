// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.WeightMatrix;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A family computes the same bits from a GGUF file as from the folder with the same weights; a
/// user's family is found for both.
class GgufFamilyTest {
    private static final int[] PROMPT = {7, 1, 100, 42, 42, 3, 9, 9, 150, 77, 12, 13};

    private static final Map<String, String> NAMES =
            Map.ofEntries(
                    Map.entry("model.embed_tokens", "token_embd"),
                    Map.entry("model.norm", "output_norm"),
                    Map.entry("lm_head", "output"),
                    Map.entry("transformer.wte", "token_embd"),
                    Map.entry("transformer.wpe", "position_embd"),
                    Map.entry("transformer.ln_f", "output_norm"),
                    Map.entry("input_layernorm", "attn_norm"),
                    Map.entry("self_attn.q_proj", "attn_q"),
                    Map.entry("self_attn.k_proj", "attn_k"),
                    Map.entry("self_attn.v_proj", "attn_v"),
                    Map.entry("self_attn.qkv_proj", "attn_qkv"),
                    Map.entry("self_attn.o_proj", "attn_output"),
                    Map.entry("post_attention_layernorm", "ffn_norm"),
                    Map.entry("mlp.gate_proj", "ffn_gate"),
                    Map.entry("mlp.up_proj", "ffn_up"),
                    Map.entry("mlp.gate_up_proj", "ffn_up"),
                    Map.entry("mlp.down_proj", "ffn_down"),
                    Map.entry("block_sparse_moe.gate", "ffn_gate_inp"),
                    Map.entry("ln_1", "attn_norm"),
                    Map.entry("attn.c_attn", "attn_qkv"),
                    Map.entry("attn.c_proj", "attn_output"),
                    Map.entry("ln_2", "ffn_norm"),
                    Map.entry("mlp.c_fc", "ffn_up"),
                    Map.entry("mlp.c_proj", "ffn_down"));

    private static final Map<String, String> GEMMA_NAMES =
            Map.of(
                    "post_attention_layernorm", "post_attention_norm",
                    "pre_feedforward_layernorm", "ffn_norm",
                    "post_feedforward_layernorm", "post_ffw_norm");

    @TempDir Path folder;

    @Test
    void qwen2WithItsBiases() throws Exception {
        TinyModel model =
                TinyModel.llama("Qwen2ForCausalLM")
                        .everyLayer("self_attn.q_proj.bias", 64L)
                        .everyLayer("self_attn.k_proj.bias", 32L)
                        .everyLayer("self_attn.v_proj.bias", 32L);
        requireSame(model, rmsNormed("qwen2", model, Map.of()));
    }

    @Test
    void graniteWithItsFactorsAndPermutedRows() throws Exception {
        TinyModel model =
                TinyModel.llama("GraniteForCausalLM")
                        .with("embedding_multiplier", 3)
                        .with("residual_multiplier", 0.5)
                        .with("attention_multiplier", 0.125)
                        .with("logits_scaling", 2);
        TinyGguf file =
                rmsNormed("granite", model, Map.of())
                        .with("granite.embedding_scale", 3f)
                        .with("granite.residual_scale", 0.5f)
                        .with("granite.attention.scale", 0.125f)
                        .with("granite.logit_scale", 2f);
        requireSame(model, file);
    }

    @Test
    void gemma2WithNormsThatHoldTheSum() throws Exception {
        TinyModel model =
                TinyModel.llama("Gemma2ForCausalLM")
                        .with("model_type", "\"gemma2\"")
                        .with("head_dim", 16)
                        .with("query_pre_attn_scalar", 16)
                        .with("attn_logit_softcapping", 0.5)
                        .with("final_logit_softcapping", 2.0)
                        .with("sliding_window", 5)
                        .everyLayer("pre_feedforward_layernorm.weight", 64L)
                        .everyLayer("post_feedforward_layernorm.weight", 64L);
        TinyGguf file =
                rmsNormed("gemma2", model, GEMMA_NAMES)
                        .with("gemma2.attn_logit_softcapping", 0.5f)
                        .with("gemma2.final_logit_softcapping", 2f)
                        .with("gemma2.attention.sliding_window", 5);
        requireSame(model, file);
    }

    @Test
    void phi3WithFactorsOfItsRope() throws Exception {
        TinyModel model =
                TinyModel.llama("Phi3ForCausalLM")
                        .with("original_max_position_embeddings", 64)
                        .with(
                                "rope_scaling",
                                "{\"type\": \"longrope\", \"short_factor\": [1,1,1,1,1,1,1,1], \"long_factor\": [1,2,3,4,5,6,7,8]}")
                        .without("q_proj.weight")
                        .without("k_proj.weight")
                        .without("v_proj.weight")
                        .without("gate_proj.weight")
                        .without("up_proj.weight")
                        .everyLayer("self_attn.qkv_proj.weight", 128L, 64L)
                        .everyLayer("mlp.gate_up_proj.weight", 192L, 64L);
        TinyGguf file =
                rmsNormed("phi3", model, Map.of())
                        .with("phi3.rope.scaling.original_context_length", 64)
                        .tensor(
                                "rope_factors_short.weight",
                                new float[] {1, 1, 1, 1, 1, 1, 1, 1},
                                8)
                        .tensor(
                                "rope_factors_long.weight",
                                new float[] {1, 2, 3, 4, 5, 6, 7, 8},
                                8);
        requireSame(model, file);
    }

    @Test
    void gptBigCodeUnderTheNameStarcoder() throws Exception {
        TinyModel model = TinyModel.gptBigCode();
        model.write(folder);
        TinyGguf file =
                shape(new TinyGguf("starcoder"), "starcoder")
                        .with("starcoder.attention.head_count_kv", 1)
                        .with("starcoder.attention.layer_norm_epsilon", 1e-5f);
        copy(model, file, Map.of(), "starcoder");
        requireSame(model, file);
    }

    @Test
    void mixtralUnderTheNameLlamaWithAllExpertsInOneTensorOrInMany() throws Exception {
        TinyModel model =
                TinyModel.llama("MixtralForCausalLM")
                        .with("model_type", "\"mixtral\"")
                        .with("num_local_experts", 3)
                        .with("num_experts_per_tok", 2)
                        .without("gate_proj.weight")
                        .without("up_proj.weight")
                        .without("down_proj.weight")
                        .everyLayer("block_sparse_moe.gate.weight", 3L, 64L);
        for (int expert = 0; expert < 3; expert++) {
            String prefix = "block_sparse_moe.experts." + expert;
            model.everyLayer(prefix + ".w1.weight", 96L, 64L)
                    .everyLayer(prefix + ".w3.weight", 96L, 64L)
                    .everyLayer(prefix + ".w2.weight", 64L, 96L);
        }
        for (boolean merged : new boolean[] {true, false}) {
            TinyGguf file =
                    rmsNormed("llama", model, Map.of())
                            .with("llama.expert_count", 3)
                            .with("llama.expert_used_count", 2);
            Checkpoint checkpoint = Checkpoint.open(folder);
            for (int layer = 0; layer < TinyModel.LAYERS; layer++) {
                experts(checkpoint, file, layer, "w1", "gate", 96, 64, merged);
                experts(checkpoint, file, layer, "w3", "up", 96, 64, merged);
                experts(checkpoint, file, layer, "w2", "down", 64, 96, merged);
            }
            requireSame(model, file);
        }
    }

    @Test
    void aUsersFamilyIsFoundAndHasPriorityOverBuiltInOnes() throws Exception {
        TinyModel model = TinyModel.llama("DoubledForCausalLM");
        requireSame(model, rmsNormed("mistral", model, Map.of()));
        float[][] doubled = logits(folder);
        TinyModel.llama("LlamaForCausalLM").write(folder);
        assertTrue(Math.abs(doubled[11][0] - logits(folder)[11][0]) > 1e-4);
    }

    @Test
    void anUnknownActivationIsRefusedWithItsNameAndFile() throws Exception {
        TinyModel.llama("LlamaForCausalLM").with("hidden_act", "\"mish\"").write(folder);
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertEquals(
                folder
                        + ": activation mish is not supported; [gelu, gelu_fast, gelu_new, gelu_pytorch_tanh, relu2, silu, swish] are",
                refusal.getMessage());
    }

    @Test
    void anUnknownArchitectureInGgufIsRefused() throws Exception {
        TinyModel model = TinyModel.llama("UnknownForCausalLM");
        Path file = rmsNormed("unknown", model, Map.of()).write(folder.resolve("m.gguf"));
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(file));
        assertTrue(refusal.getMessage().contains("architecture unknown is not supported"));
    }

    /// Writes the folder, and creates a file with the same model.
    private TinyGguf rmsNormed(String architecture, TinyModel model, Map<String, String> names)
            throws IOException {
        model.write(folder);
        TinyGguf file =
                shape(new TinyGguf(architecture), architecture)
                        .with(architecture + ".attention.head_count_kv", 2)
                        .with(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f);
        copy(model, file, names, architecture);
        return file;
    }

    private static TinyGguf shape(TinyGguf file, String architecture) {
        return file.with(architecture + ".block_count", TinyModel.LAYERS)
                .with(architecture + ".embedding_length", (int) TinyModel.HIDDEN)
                .with(architecture + ".feed_forward_length", (int) TinyModel.WIDTH)
                .with(architecture + ".context_length", (int) TinyModel.CONTEXT)
                .with(architecture + ".attention.head_count", (int) TinyModel.HEADS);
    }

    /// Copies every tensor except those of experts, as llama.cpp converts it.
    private void copy(
            TinyModel model, TinyGguf file, Map<String, String> names, String architecture) {
        Checkpoint checkpoint = Checkpoint.open(folder);
        boolean pairs = architecture.equals("llama") || architecture.equals("granite");
        model.shapes()
                .forEach(
                        (name, shape) -> {
                            if (name.contains(".experts.")) {
                                return;
                            }
                            float[] values = values(checkpoint, name);
                            if (pairs && name.matches(".*[qk]_proj\\.weight")) {
                                values = permuted(values);
                            }
                            if (architecture.equals("gemma2") && shape.size() == 1) {
                                for (int i = 0; i < values.length; i++) {
                                    values[i] += 1;
                                }
                            }
                            file.tensor(
                                    stored(name, names),
                                    values,
                                    shape.stream().map(Long::intValue).toArray(Integer[]::new));
                        });
    }

    private static String stored(String name, Map<String, String> names) {
        int dot = name.lastIndexOf('.');
        String prefix = "";
        String suffix = name.substring(0, dot);
        if (suffix.matches("(model\\.layers|transformer\\.h)\\.\\d\\..*")) {
            String[] pieces = suffix.split("\\.", 4);
            prefix = "blk." + pieces[2] + ".";
            suffix = pieces[3];
        }
        return prefix
                + names.getOrDefault(suffix, NAMES.getOrDefault(suffix, suffix))
                + name.substring(dot);
    }

    private static void experts(
            Checkpoint checkpoint,
            TinyGguf file,
            int layer,
            String matrix,
            String name,
            int rows,
            int columns,
            boolean merged) {
        float[] all = new float[3 * rows * columns];
        for (int expert = 0; expert < 3; expert++) {
            String own =
                    "model.layers.%d.block_sparse_moe.experts.%d.%s.weight"
                            .formatted(layer, expert, matrix);
            float[] values = values(checkpoint, own);
            System.arraycopy(values, 0, all, expert * values.length, values.length);
            if (!merged) {
                file.tensor(
                        "blk.%d.ffn_%s.%d.weight".formatted(layer, name, expert),
                        values,
                        rows,
                        columns);
            }
        }
        if (merged) {
            file.tensor("blk.%d.ffn_%s_exps.weight".formatted(layer, name), all, 3, rows, columns);
        }
    }

    /// Returns the rows of each head of 16 in the order 0, 8, 1, 9, …
    private static float[] permuted(float[] matrix) {
        int hidden = (int) TinyModel.HIDDEN;
        float[] out = new float[matrix.length];
        for (int row = 0; row < matrix.length / hidden; row++) {
            int inHead = row % 16;
            int from = row - inHead + inHead / 2 + inHead % 2 * 8;
            System.arraycopy(matrix, from * hidden, out, row * hidden, hidden);
        }
        return out;
    }

    private static float[] values(Checkpoint checkpoint, String name) {
        WeightMatrix matrix = checkpoint.tensor(name);
        return matrix.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }

    private void requireSame(TinyModel model, TinyGguf file) throws Exception {
        model.write(folder);
        float[][] expected = logits(folder);
        float[][] actual = logits(file.write(folder.resolve("m.gguf")));
        for (int t = 0; t < expected.length; t++) {
            assertArrayEquals(expected[t], actual[t], "token " + t);
        }
    }

    private static float[][] logits(Path path) throws Exception {
        try (TestGroup group = TestGroup.load(path, 2, "f32", "f32")) {
            return group.forward(
                    List.of(new TestGroup.Row(PROMPT, 0, TestGroup.blocks(1, PROMPT.length))));
        }
    }
}

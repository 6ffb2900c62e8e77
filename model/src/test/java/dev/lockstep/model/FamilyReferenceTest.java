// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.PositionConfig;
import dev.lockstep.kernels.DType;
import dev.lockstep.model.ReferenceDecoder.Rope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Families on small random models against plain loops in double: features that the recorded models
/// lack, and a sample of all features for builds without the recorded models.
class FamilyReferenceTest {
    /// f32 against f64 over three layers of width 64, logits near 1; omitting any detail moves some
    /// logit by 1e-3 or more.
    private static final double TOLERANCE = 2e-5;

    private static final int SIZE = (int) TinyModel.HEAD_SIZE;
    private static final Rope PLAIN = Rope.plain(10_000, SIZE);

    @TempDir Path folder;

    @Test
    void llamaMayHaveBiasesEverywhere() throws Exception {
        TinyModel model =
                TinyModel.llama("LlamaForCausalLM")
                        .with("attention_bias", true)
                        .with("mlp_bias", true)
                        .everyLayer("self_attn.q_proj.bias", 64L)
                        .everyLayer("self_attn.v_proj.bias", 32L)
                        .everyLayer("self_attn.o_proj.bias", 64L)
                        .everyLayer("mlp.up_proj.bias", 96L)
                        .everyLayer("mlp.down_proj.bias", 64L);
        requireReference(model, PLAIN, 0, 1, FamilyReferenceTest::silu);
    }

    @Test
    void qwen2MayHaveAWindowInItsUpperLayersOnly() throws Exception {
        TinyModel model =
                TinyModel.llama("Qwen2ForCausalLM")
                        .with("use_sliding_window", true)
                        .with("sliding_window", 9)
                        .with("max_window_layers", 1)
                        .everyLayer("self_attn.q_proj.bias", 64L)
                        .everyLayer("self_attn.k_proj.bias", 32L)
                        .everyLayer("self_attn.v_proj.bias", 32L);
        requireReference(model, PLAIN, 0, 1, FamilyReferenceTest::silu);
        Model loaded = load();
        assertEquals(2, loaded.kvGroups().size());
        assertEquals(1, loaded.kvGroups().getFirst().layout().layers());
        assertEquals("full", loaded.kvGroups().getFirst().kind());
        assertEquals("window", loaded.kvGroups().getLast().kind());
        assertEquals(9, loaded.kvGroups().getLast().window());
        ModelSource source = ModelSource.open(folder);
        assertEquals(
                loaded.kvLayouts().stream().mapToLong(layout -> layout.bytesPerToken()).sum(),
                source.kvBytesPerToken(source.shard(0, 1), DType.F32));
    }

    @Test
    void qwen3MoeMayLeaveTheWeightsOfExpertsUnnormalized() throws Exception {
        requireReference(qwen3Moe(), PLAIN, 0, 1, FamilyReferenceTest::silu);
    }

    @Test
    void gemma2ReadsItsScaleOfScores() throws Exception {
        TinyModel model =
                TinyModel.llama("Gemma2ForCausalLM")
                        .with("model_type", "\"gemma2\"")
                        .with("head_dim", SIZE)
                        .with("hidden_activation", "\"gelu_pytorch_tanh\"")
                        .with("query_pre_attn_scalar", 24)
                        .with("attn_logit_softcapping", 0.5)
                        .with("final_logit_softcapping", 2.0)
                        .with("sliding_window", 5)
                        .everyLayer("pre_feedforward_layernorm.weight", 64L)
                        .everyLayer("post_feedforward_layernorm.weight", 64L);
        requireReference(model, PLAIN, 1, 8, FamilyReferenceTest::geluTanh);
    }

    @Test
    void granitesFactorsAreReadInTheOlderLayout() throws Exception {
        TinyModel model =
                TinyModel.llama("GraniteForCausalLM")
                        .with("embedding_multiplier", 3)
                        .with("residual_multiplier", 0.4)
                        .with("attention_multiplier", 0.1)
                        .with("logits_scaling", 2);
        requireReference(model, PLAIN, 0, 3, FamilyReferenceTest::silu);
    }

    @Test
    void gptBigCodeSharesOneKeyHead() throws Exception {
        requireReference(TinyModel.gptBigCode(), Rope.none(), 0, 1, FamilyReferenceTest::geluTanh);
        TinyModel.gptBigCode().with("multi_query", false).write(folder);
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertTrue(refusal.getMessage().contains("multi_query"), refusal.getMessage());
    }

    @Test
    void aRankMayHoldNoColumnsOfTheFeedForward() throws Exception {
        TinyModel model =
                TinyModel.llama("Starcoder2ForCausalLM")
                        .with("hidden_act", "\"gelu\"")
                        .with("norm_epsilon", 1e-5)
                        .with("intermediate_size", 32)
                        .without("gate_proj.weight")
                        .without("up_proj.weight")
                        .without("down_proj.weight")
                        .tensor("model.norm.bias", 64L)
                        .everyLayer("input_layernorm.bias", 64L)
                        .everyLayer("post_attention_layernorm.bias", 64L)
                        .everyLayer("mlp.c_fc.weight", 32L, 64L)
                        .everyLayer("mlp.c_fc.bias", 32L)
                        .everyLayer("mlp.c_proj.weight", 64L, 32L)
                        .everyLayer("mlp.c_proj.bias", 64L);
        requireReference(model, PLAIN, 0, 1, FamilyReferenceTest::geluErf);
    }

    @Test
    void longRopeChoosesFactorsByTheMaximumLengthThatIsServed() throws Exception {
        String ones = "[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]";
        String others = "[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]";
        for (int original : new int[] {64, 128}) {
            TinyModel model =
                    phi3().with("original_max_position_embeddings", original)
                            .with(
                                    "rope_scaling",
                                    "{\"type\": \"longrope\", \"long_factor\": %s, \"short_factor\": %s}"
                                            .formatted(ones, others));
            double[] inverse = new double[SIZE / 2];
            for (int i = 0; i < inverse.length; i++) {
                double longFactor = i == 0 ? 1 : i == 1 ? 1.5 : i;
                double divisor = original == 64 ? longFactor : 1 + 0.1 * i;
                inverse[i] = PLAIN.inverse()[i] / divisor;
            }
            double factor = original == 64 ? Math.sqrt(1 + Math.log(2) / Math.log(64)) : 1;
            requireReference(model, new Rope(inverse, factor), 0, 1, FamilyReferenceTest::silu);
        }
    }

    @Test
    void aDynamicBaseIsPlainUpToTheContextOfTheModel() throws Exception {
        TinyModel model =
                TinyModel.llama("LlamaForCausalLM")
                        .with("rope_scaling", "{\"type\": \"dynamic\", \"factor\": 2.0}");
        requireReference(model, PLAIN, 0, 1, FamilyReferenceTest::silu);
        model.with(
                "rope_scaling",
                "{\"type\": \"dynamic\", \"factor\": 2.0, \"original_max_position_embeddings\": 32}");
        requireReference(model, PLAIN, 0, 1, FamilyReferenceTest::silu);
    }

    @Test
    void anUnknownArchitectureOfAPlainDecoderRunsOnTheGenericDecoder() throws Exception {
        TinyModel model =
                phi3().with("architectures", "[\"UnknownForCausalLM\"]")
                        .with("hidden_act", "\"gelu\"")
                        .with("partial_rotary_factor", 0.5)
                        .everyLayer("self_attn.q_norm.weight", (long) SIZE)
                        .everyLayer("self_attn.k_norm.weight", (long) SIZE)
                        .everyLayer("self_attn.o_proj.bias", 64L);
        Rope half = Rope.plain(10_000, SIZE / 2);
        requireReference(model, half, 0, 1, FamilyReferenceTest::geluErf);
        String text = ModelSource.open(folder).describe(load());
        assertTrue(text.startsWith("UnknownForCausalLM as a generic decoder, heads 0-3"), text);
    }

    @Test
    void anUnknownArchitectureIsRefusedIfAnythingIsUnexplained() throws Exception {
        TinyModel plain = generic("UnknownForCausalLM");
        requireRefusal(
                plain.everyLayer("self_attn.sinks", 4L),
                "nothing is known of tensor model.layers.0.self_attn.sinks");
        requireRefusal(
                plain.without("sinks").without("0.self_attn.v_proj.weight"),
                "tensor model.layers.0.self_attn.v_proj.weight is missing");
        requireRefusal(
                generic("UnknownForCausalLM").with("embedding_multiplier", 2),
                "nothing is known of embedding_multiplier");
        requireRefusal(
                TinyModel.llama("UnknownForCausalLM"),
                "nothing is known of its activation (no hidden_act)");
        TinyModel withoutTheta = generic("UnknownForCausalLM");
        withoutTheta.config().remove("rope_theta");
        requireRefusal(withoutTheta, "nothing is known of its positions (no rope_theta)");
        requireRefusal(
                generic("UnknownForCausalLM").with("sliding_window", 8),
                "nothing is known of the layers of its sliding_window (no layer_types)");
        requireRefusal(generic("DiffLlamaForCausalLM"), "it subtracts two softmaxes");
        requireRefusal(
                generic("UnknownForCausalLM").with("position_embedding_type", "\"alibi\""),
                "nothing is known of position_embedding_type (alibi)");
        requireRefusal(
                generic("UnknownForCausalLM").with("attention", "{\"type\": \"gated\"}"),
                "nothing is known of attention");
        requireRefusal(
                generic("UnknownForCausalLM").with("model_type", "\"gemma\""),
                "nothing is known of its architecture of the model_type gemma");
        requireRefusal(generic("UnknownForCausalLM").with("use_rope", false), "use_rope is false");
    }

    @Test
    void aPlainDecoderMayOmitKeysWithDefaultsOfItsModelType() throws Exception {
        TinyModel model = TinyModel.llama("UnknownForCausalLM").with("model_type", "\"llama\"");
        model.config().remove("rope_theta");
        requireReference(model, PLAIN, 0, 1, FamilyReferenceTest::silu);
    }

    @Test
    void layersWithoutRopeAreADefaultOfSomeFamilies() throws Exception {
        TinyModel.llama("SmolLM3ForCausalLM").with("no_rope_layer_interval", 3).write(folder);
        PositionConfig positions = ModelSource.open(folder).config().details().positions();
        assertEquals(Set.of(2), positions.withoutRope());
        requireRefusal(
                generic("UnknownForCausalLM").with("no_rope_layers", "[1, 1, 0]"),
                "nothing is known of no_rope_layers");
        requireRefusal(
                generic("UnknownForCausalLM")
                        .with(
                                "layer_types",
                                "[\"full_attention\",\"full_attention\",\"full_attention\"]")
                        .with(
                                "rope_parameters",
                                "{\"full_attention\": null, \"sliding_attention\": {\"rope_theta\": 1e4}}"),
                "rope_parameters.full_attention is null");
    }

    @Test
    void anUnknownKeyOfARopeIsRefusedInEveryFamily() throws Exception {
        String scaling = "{\"rope_type\": \"yarn\", \"factor\": 2, \"llama_4_scaling_beta\": 0.1}";
        requireRefusal(
                generic("UnknownForCausalLM").with("rope_scaling", scaling),
                "rope_scaling.llama_4_scaling_beta is 0.1, expected none");
        TinyModel.llama("LlamaForCausalLM").with("rope_parameters", scaling).write(folder);
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertTrue(
                refusal.getMessage()
                        .startsWith(
                                folder.resolve("config.json")
                                        + ": rope_parameters.llama_4_scaling_beta is 0.1"),
                refusal.getMessage());
    }

    @Test
    void anUnknownArchitectureIsNamedBeforeAnyKey() throws Exception {
        TinyModel model = generic("NobodyForCausalLM");
        model.config().remove("num_attention_heads");
        requireRefusal(
                model,
                "architecture NobodyForCausalLM is not supported: it is not a plain decoder (key num_attention_heads or n_head is missing)");
        requireRefusal(
                generic("BloomForCausalLM"),
                "architecture BloomForCausalLM is not supported: its scores fall with the distance (ALiBi); docs");
    }

    @Test
    void anUnknownArchitectureIsNamedBeforeAnyFaultOfItsFiles() throws Exception {
        generic("NobodyForCausalLM").write(folder);
        Files.writeString(folder.resolve("model.safetensors"), "cut");
        requireRefusalOfFiles(
                "architecture NobodyForCausalLM is not supported: it is not a plain decoder (its weights cannot be read); docs/models.md lists those that are");
        Files.delete(folder.resolve("model.safetensors"));
        requireRefusalOfFiles("(its weights cannot be read)");
        generic("LlamaForCausalLM").write(folder);
        Files.writeString(folder.resolve("model.safetensors"), "cut");
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertTrue(refusal.getMessage().contains("download it again"), refusal.getMessage());
    }

    private static TinyModel generic(String architecture) {
        return TinyModel.llama(architecture).with("hidden_act", "\"silu\"");
    }

    private void requireRefusal(TinyModel model, String reason) throws IOException {
        model.write(folder);
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertTrue(refusal.getMessage().contains(reason), refusal.getMessage());
        assertTrue(refusal.getMessage().endsWith("docs/models.md lists those that are"));
    }

    private void requireRefusalOfFiles(String reason) {
        CheckpointException refusal =
                assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertTrue(refusal.getMessage().contains(reason), refusal.getMessage());
        assertFalse(refusal.getMessage().contains("download"), refusal.getMessage());
    }

    private Model load() throws Exception {
        try (TestGroup group = TestGroup.load(folder, 1, "f32", "f32")) {
            return group.model();
        }
    }

    /// Compares at 1, 2 and 3 ranks, alone, in a mixed batch and in chunks.
    private void requireReference(
            TinyModel model,
            Rope rope,
            double normOffset,
            double embeddingMultiplier,
            DoubleUnaryOperator activation)
            throws Exception {
        model.write(folder);
        int[] ids = new Random(5).ints(50, 0, (int) TinyModel.VOCABULARY).toArray();
        double[][] expected =
                new ReferenceDecoder(
                                Checkpoint.open(folder),
                                rope,
                                normOffset,
                                embeddingMultiplier,
                                activation)
                        .logits(ids);
        for (int ranks = 1; ranks <= 3; ranks++) {
            try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
                float[][] actual =
                        group.forward(List.of(new TestGroup.Row(ids, 0, TestGroup.blocks(1, 50))));
                for (int t = 0; t < ids.length; t++) {
                    for (int v = 0; v < expected[t].length; v++) {
                        assertEquals(expected[t][v], actual[t][v], TOLERANCE, ranks + " ranks");
                    }
                }
                AnyBatch.requireSameBits(group, List.of(new int[] {3, 1, 4}, ids));
            }
        }
    }

    private static TinyModel qwen3Moe() {
        TinyModel model =
                TinyModel.llama("Qwen3MoeForCausalLM")
                        .with("num_experts", 5)
                        .with("num_experts_per_tok", 2)
                        .with("moe_intermediate_size", 32)
                        .with("norm_topk_prob", false)
                        .without("_proj.weight")
                        .everyLayer("self_attn.q_proj.weight", 64L, 64L)
                        .everyLayer("self_attn.k_proj.weight", 32L, 64L)
                        .everyLayer("self_attn.v_proj.weight", 32L, 64L)
                        .everyLayer("self_attn.o_proj.weight", 64L, 64L)
                        .everyLayer("self_attn.q_norm.weight", 16L)
                        .everyLayer("self_attn.k_norm.weight", 16L)
                        .everyLayer("mlp.gate.weight", 5L, 64L);
        for (int expert = 0; expert < 5; expert++) {
            String prefix = "mlp.experts." + expert;
            model.everyLayer(prefix + ".gate_proj.weight", 32L, 64L)
                    .everyLayer(prefix + ".up_proj.weight", 32L, 64L)
                    .everyLayer(prefix + ".down_proj.weight", 64L, 32L);
        }
        return model;
    }

    private static TinyModel phi3() {
        return TinyModel.llama("Phi3ForCausalLM")
                .without("q_proj.weight")
                .without("k_proj.weight")
                .without("v_proj.weight")
                .without("gate_proj.weight")
                .without("up_proj.weight")
                .everyLayer("self_attn.qkv_proj.weight", 128L, 64L)
                .everyLayer("mlp.gate_up_proj.weight", 192L, 64L);
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    private static double geluTanh(double x) {
        return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }

    /// Computes the normal distribution by its series, which converges for the small x of these
    /// models.
    private static double geluErf(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; n < 100; n++) {
            term *= x * x / (2 * n + 1);
            sum += term;
        }
        return x * (0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI));
    }
}

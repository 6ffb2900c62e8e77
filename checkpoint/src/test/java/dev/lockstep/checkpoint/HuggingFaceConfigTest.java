// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HuggingFaceConfigTest {
    private static final Path PATH = Path.of("some/config.json");

    private static final String LLAMA =
            """
            "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
            "vocab_size": 100, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
            "bos_token_id": 1, "eos_token_id": 2""";

    @Test
    void theLastLayersMayReadKeysAndValuesOfEarlierOnes() {
        String types =
                "\"sliding_window\": 16, \"layer_types\": [\"sliding_attention\", \"sliding_attention\", \"full_attention\", \"sliding_attention\"], ";
        ModelConfig config = read(types + "\"num_kv_shared_layers\": 1");
        assertEquals(
                List.of(
                        KvGroup.window(List.of(0, 1), 16).withReaders(List.of(3)),
                        KvGroup.full(List.of(2))),
                config.kvGroups());
        assertEquals(1, config.pagedGroups().getFirst().keptLayer(3));
        Refused.naming(
                () -> read(types + "\"num_kv_shared_layers\": 2"),
                "the 2 last layers read keys and values, but no layer like layer 2 keeps some");
        Refused.naming(
                () -> read(types + "\"num_kv_shared_layers\": 4"),
                "num_kv_shared_layers is 4, expected less than the 4 layers");
        Refused.naming(
                () ->
                        read(
                                "\"model_type\": \"qwen3_next\", \"layer_types\": [\"full_attention\", \"linear_attention\", \"linear_attention\", \"linear_attention\"], \"num_kv_shared_layers\": 1"),
                "the 1 last layers read keys and values, but no layer like layer 3 keeps some");
    }

    @Test
    void keysThatOtherFamiliesHaveChangeNothing() {
        assertEquals(
                read("\"hidden_act\": \"silu\""),
                read(
                        "\"use_double_wide_mlp\": true, \"hidden_size_per_layer_input\": 8, \"vocab_size_per_layer_input\": 16"));
        String experts =
                "\"model_type\": \"qwen3_moe\", \"num_experts\": 4, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 32";
        assertEquals(read(experts), read(experts + ", \"moe_latent_size\": 16"));
    }

    @Test
    void theOlderLayoutReadsLikeTheNewer() {
        assertEquals(
                read("\"rope_theta\": 500000.0, \"rope_scaling\": null"),
                read(
                        "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 500000.0}"));
        String scaling =
                "\"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192";
        ModelConfig older =
                read(
                        "\"rope_theta\": 5e5, \"rope_scaling\": {\"rope_type\": \"llama3\", "
                                + scaling
                                + "}");
        assertEquals(
                older,
                read(
                        "\"rope_parameters\": {\"rope_theta\": 5e5, \"rope_type\": \"llama3\", "
                                + scaling
                                + "}"));
        assertEquals(new RopeScaling.Llama3(8, 1, 4, 8192), older.rope().scaling());
    }

    @Test
    void everyRopeScalingIsRead() {
        assertEquals(
                new RopeScaling.Linear(2),
                read("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}").rope().scaling());
        assertEquals(
                new RopeScaling.Dynamic(2, 4096),
                read("\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}").rope().scaling());
        assertEquals(
                new RopeScaling.Yarn(
                        4,
                        1024,
                        16,
                        1,
                        OptionalDouble.of(1.2),
                        OptionalDouble.empty(),
                        OptionalDouble.empty(),
                        false),
                read("\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 1024, \"beta_fast\": 16, \"attention_factor\": 1.2, \"truncate\": false}")
                        .rope()
                        .scaling());
        assertEquals(
                new RopeScaling.LongRope(
                        List.of(1.0, 1.5), List.of(2.0, 4.0), 1024, 4, OptionalDouble.empty()),
                read("\"head_dim\": 8, \"partial_rotary_factor\": 0.5, \"original_max_position_embeddings\": 1024, \"rope_scaling\": {\"type\": \"su\", \"short_factor\": [1, 1.5], \"long_factor\": [2, 4]}")
                        .rope()
                        .scaling());
        Refused.naming(
                () -> read("\"rope_scaling\": {\"type\": \"mrope\"}"),
                PATH.toString(),
                "rope_scaling.type",
                "mrope",
                "yarn");
        Refused.naming(
                () ->
                        read(
                                "\"rope_scaling\": {\"type\": \"su\", \"short_factor\": [1], \"long_factor\": [1]}"),
                "rope_scaling.short_factor",
                "8, half");
        Refused.naming(
                () -> read("\"rope_scaling\": {\"type\": \"linear\"}"), "rope_scaling.factor");
    }

    @Test
    void aWindowAppliesToTheLayersThatAFamilysKeysSelect() {
        assertEquals(
                List.of(KvGroup.window(List.of(0, 1, 2, 3), 16)),
                read("\"sliding_window\": 16").kvGroups());
        assertEquals(
                List.of(KvGroup.full(List.of(0, 1, 2, 3))),
                read("\"sliding_window\": 16, \"use_sliding_window\": false").kvGroups());
        assertEquals(
                List.of(KvGroup.full(List.of(0, 1)), KvGroup.window(List.of(2, 3), 16)),
                read("\"sliding_window\": 16, \"use_sliding_window\": true, \"max_window_layers\": 2")
                        .kvGroups());
        assertEquals(
                List.of(KvGroup.window(List.of(0, 2), 16), KvGroup.full(List.of(1, 3))),
                read("\"sliding_window\": 16, \"model_type\": \"gemma2\"").kvGroups());
        assertEquals(
                List.of(KvGroup.window(List.of(0, 1, 3), 16), KvGroup.full(List.of(2))),
                read("\"sliding_window\": 16, \"sliding_window_pattern\": 3").kvGroups());
        Refused.naming(
                () -> read("\"layer_types\": [\"full_attention\"]"),
                "layer_types",
                "4, one per layer");
        Refused.naming(
                () -> read("\"layer_types\": [\"a\", \"a\", \"a\", \"a\"]"), "layer_types is a,");
        Refused.naming(() -> read("\"sliding_window\": 0"), "sliding_window is 0");
    }

    @Test
    void layersThatKeepAStateAreTheLastGroup() {
        // Qwen3-Next was published without layer_types.
        ModelConfig next = read("\"model_type\": \"qwen3_next\"");
        StateConfig delta = new StateConfig.GatedDelta(16, 32, 128, 128, 4);
        assertEquals(
                List.of(KvGroup.full(List.of(3)), KvGroup.state(List.of(0, 1, 2), delta)),
                next.kvGroups());
        assertEquals(List.of(KvGroup.full(List.of(3))), next.pagedGroups());
        assertTrue(next.keepsState(2));
        assertFalse(next.keepsState(3));
        assertEquals(64, next.rope().rotaryDim());
        Refused.naming(
                () ->
                        read(
                                "\"layer_types\": [\"full_attention\", \"full_attention\", \"conv\", \"conv\"]"),
                "no key gives its size");
        Refused.naming(
                () -> read("\"model_type\": \"qwen3_next\", \"full_attention_interval\": 9"),
                "at least one layer of attention");
        Refused.naming(
                () -> read("\"model_type\": \"qwen3_next\", \"linear_num_key_heads\": 5"),
                "32 linear value heads do not divide into 5 key heads");
    }

    @ParameterizedTest
    @ValueSource(strings = {"attention_bias", "projectors_bias", "mamba_proj_bias"})
    void biasesBesideAStateAreRefusedByName(String key) {
        String falcon =
                "\"model_type\": \"falcon_h1\", \"mamba_n_heads\": 4, \"mamba_d_ssm\": 64,"
                        + " \"mamba_d_state\": 8, \"%s\": %s";
        ModelConfig config = read(falcon.formatted(key, false));
        assertTrue(config.parallelFactors().isPresent());
        Refused.naming(() -> read(falcon.formatted(key, true)), key + " is true, expected false");
    }

    @Test
    void olderGemmaHasTwoRopes() {
        ModelConfig config =
                read(
                        "\"model_type\": \"gemma3_text\", \"head_dim\": 16, \"sliding_window\": 16, \"rope_theta\": 1e6, \"rope_local_base_freq\": 1e4, \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8}");
        assertEquals(new RopeScaling.Linear(8), config.rope().scaling());
        assertEquals(new RopeConfig(1e4, 16, new RopeScaling.None()), config.windowRope());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '^',
            value = {
                "linear | 'factor': 4 | 16384",
                "linear | 'factor': 2.5 | 10240",
                "linear | 'factor': 0.5 | 4096",
                "linear | 'factor': 1e300 | 1073741824",
                "dynamic | 'factor': 4 | 16384",
                "dynamic | 'factor': 4, 'original_max_position_embeddings': 1024 | 16384",
                "yarn | 'factor': 4 | 16384",
                "yarn | 'factor': 4, 'original_max_position_embeddings': 3072 | 12288",
                "yarn | 'factor': 4, 'original_max_position_embeddings': 1024 | 4096",
                "yarn | 'factor': 2, 'original_max_position_embeddings': 1024 | 4096",
                "yarn | 'factor': null, 'original_max_position_embeddings': 1024 | 4096",
                "llama3 | 'factor': 8, 'low_freq_factor': 1, 'high_freq_factor': 4, 'original_max_position_embeddings': 1024 | 4096",
                "longrope | 'factor': 32, 'short_factor': [1,1,1,1,1,1,1,1], 'long_factor': [2,2,2,2,2,2,2,2], 'original_max_position_embeddings': 1024 | 4096",
                "default | 'rope_theta': 1e4 | 4096"
            })
    void aScaledRopeReachesBeyondTheConfiguredContext(String type, String keys, int reach) {
        String scaling =
                "\"rope_scaling\": {\"type\": \"%s\", %s}".formatted(type, keys.replace('\'', '"'));
        ModelConfig config = read(scaling);
        assertEquals(4096, config.contextLength());
        assertEquals(reach, config.maxContextLength());
    }

    @Test
    void gemma3IsConfiguredWithItsScaledContext() {
        ModelConfig config =
                parse(
                        ("{" + LLAMA + "}")
                                .replace("LlamaForCausalLM", "Gemma3ForCausalLM")
                                .replace(
                                        "}",
                                        ", \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8}}"));
        assertEquals(4096, config.maxContextLength());
    }

    @Test
    void theFirstContextOfARopeIsTheModelsOwnOrElseItsContext() {
        String llama3 =
                "\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4";
        assertEquals(
                new RopeScaling.Llama3(8, 1, 4, 4096),
                read("\"rope_parameters\": {" + llama3 + "}").rope().scaling());
        assertEquals(
                new RopeScaling.Llama3(8, 1, 4, 2048),
                read("\"original_max_position_embeddings\": 2048, \"rope_parameters\": {\"original_max_position_embeddings\": 1024, "
                                + llama3
                                + "}")
                        .rope()
                        .scaling());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '^',
            value = {
                "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"llama_4_scaling_beta\": 0.1} | rope_scaling.llama_4_scaling_beta is 0.1, expected none",
                "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4, \"alpha\": 1000.0} | rope_scaling.alpha is 1000.0",
                "\"rope_parameters\": {\"full_attention\": {\"alpha\": 2}} | rope_parameters.full_attention.alpha is 2",
                "\"rope_parameters\": {\"full_attention\": {}, \"rope_theta\": 3} | rope_parameters.rope_theta is 3",
                "\"rope_parameters\": {\"full_attention\": null} | rope_parameters.full_attention is null",
                "\"rope_parameters\": {\"rope_type\": \"default\"}, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4} | rope_scaling.type is \"yarn\", expected the value of rope_parameters.rope_type"
            })
    void aKeyOfARopeThatIsNotReadIsNamed(String more, String part) {
        Refused.naming(() -> read(more), PATH.toString(), part);
    }

    @Test
    void aScalingInBothLayoutsMustAgree() {
        String yarn = "\"factor\": 4, \"original_max_position_embeddings\": 1024";
        assertEquals(
                read("\"rope_parameters\": {\"rope_type\": \"yarn\", " + yarn + "}"),
                read(
                        "\"rope_parameters\": {\"rope_type\": \"yarn\", %s}, \"rope_scaling\": {\"type\": \"yarn\", %s}"
                                .formatted(yarn, yarn.replace("4,", "4.0,"))));
        Refused.naming(
                () ->
                        read(
                                "\"rope_parameters\": {\"rope_type\": \"yarn\", %s}, \"rope_scaling\": {\"type\": \"yarn\", %s}"
                                        .formatted(yarn, yarn.replace("4,", "4.5,"))),
                PATH.toString(),
                "rope_scaling.factor is 4.5, expected the value of rope_parameters.factor");
    }

    @Test
    void anAbsentKeyMeansWhatItMeansInTheFamily() {
        ModelConfig gemma2 = read("\"model_type\": \"gemma2\"");
        assertEquals(256, gemma2.attention().headDim());
        assertEquals(OptionalDouble.of(1 / 16.0), gemma2.details().attentionScale());
        assertEquals(OptionalDouble.of(50), gemma2.details().attentionCap());
        assertEquals(OptionalDouble.of(30), gemma2.details().logitCap());
        assertEquals(4096, gemma2.window(0).orElseThrow());
        assertEquals(
                "gelu_pytorch_tanh",
                read("\"model_type\": \"gemma\", \"hidden_act\": \"gelu\"").details().activation());
        ModelConfig cohere = read("\"model_type\": \"cohere\"");
        assertEquals(16, cohere.details().logitDivisor());
        assertEquals(5e5, cohere.rope().theta());
        assertEquals(8, read("\"model_type\": \"glm4\", \"head_dim\": 16").rope().rotaryDim());
        assertEquals("relu2", read("\"model_type\": \"arcee\"").details().activation());
        assertEquals(
                OptionalDouble.empty(),
                read("\"model_type\": \"gemma2\", \"final_logit_softcapping\": null")
                        .details()
                        .logitCap());
        ModelConfig gemma3 = read("\"model_type\": \"gemma3_text\"");
        assertEquals(1e6, gemma3.rope().theta());
        assertEquals(1e4, gemma3.windowRope().theta());
        assertEquals(1e6, read("\"model_type\": \"mixtral\"").rope().theta());
        assertEquals(
                new ExpertConfig(8, 2, true),
                read("\"model_type\": \"mixtral\"").details().experts().orElseThrow());
        assertEquals(
                OptionalDouble.of(1),
                read("\"model_type\": \"granite\"").details().attentionScale());
        assertEquals(4096, read("\"model_type\": \"mistral\"").window(0).orElseThrow());
        assertEquals(
                OptionalInt.empty(),
                read("\"model_type\": \"mistral\", \"sliding_window\": null").window(0));
        assertEquals(
                OptionalInt.empty(),
                read("\"model_type\": \"qwen2\", \"sliding_window\": 16").window(0));
    }

    @Test
    void absentKeysOfHunyuanAndGptBigCodeMeanWhatTheyMeanInTransformers() {
        ModelConfig hunyuan = read("\"model_type\": \"hunyuan_v1_dense\", \"rope_scaling\": null");
        assertEquals("silu", hunyuan.details().activation());
        assertEquals(new RopeConfig(1e4, 16, new RopeScaling.None()), hunyuan.rope());
        String keys =
                """
                {"architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode",
                 "vocab_size": 100, "n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 256%s}""";
        ModelConfig bigCode = parse(keys.formatted(""));
        assertEquals(new AttentionConfig(4, 1, 16, false), bigCode.attention());
        assertEquals("gelu_pytorch_tanh", bigCode.details().activation());
        assertEquals(1e-5, bigCode.normEpsilon());
        assertEquals(256, bigCode.feedForwardSize());
        assertEquals(
                "gelu",
                parse(keys.formatted(", \"activation_function\": \"gelu\""))
                        .details()
                        .activation());
        Refused.naming(() -> parse(keys.formatted("").replace("\"n_layer\": 2, ", "")), "n_layer");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama4_text", "gemma3n_text", "gemma4_text"})
    void noListOfTooManyLayersIsMade(String type) {
        String keys =
                LLAMA.replace("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 2147483647");
        Refused.naming(
                () -> parse("{\"model_type\": \"%s\", %s}".formatted(type, keys)),
                "num_hidden_layers is 2147483647, expected a number from 1 to 16384");
    }

    /// As its authors published it, with fewer layers; and what its keys mean where they are
    /// absent, which is what they mean in DeepSeek V3.
    @Test
    void kimiK2IsReadAsDeepSeekV3() {
        String published =
                """
                {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "kimi_k2",
                 "attention_bias": false, "attention_dropout": 0.0, "aux_loss_alpha": 0.001,
                 "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
                 "bos_token_id": 163584, "eos_token_id": 163585, "ep_size": 1,
                 "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 7168,
                 "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 131072,
                 "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 1,
                 "n_routed_experts": 384, "n_shared_experts": 1, "norm_topk_prob": true,
                 "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 4,
                 "num_key_value_heads": 64, "num_nextn_predict_layers": 0, "q_lora_rank": 1536,
                 "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
                 "rope_scaling": {"beta_fast": 1.0, "beta_slow": 1.0, "factor": 32.0, "mscale": 1.0,
                   "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "type": "yarn"},
                 "rope_theta": 50000.0, "routed_scaling_factor": 2.827, "scoring_func": "sigmoid",
                 "seq_aux": true, "tie_word_embeddings": false, "topk_group": 1,
                 "topk_method": "noaux_tc", "v_head_dim": 128, "vocab_size": 163840}""";
        ModelConfig config = parse(published);
        var latent = new LatentConfig(1536, 512, 128, 64, 128, true);
        assertEquals(Optional.of(latent), config.attention().latent());
        assertEquals(64, config.attention().headCount());
        var yarn =
                new RopeScaling.Yarn(
                        32,
                        4096,
                        1,
                        1,
                        OptionalDouble.empty(),
                        OptionalDouble.of(1),
                        OptionalDouble.of(1),
                        true);
        assertEquals(new RopeConfig(5e4, 64, yarn), config.rope());
        double m = 0.1 * Math.log(32) + 1;
        assertEquals(
                m * m / Math.sqrt(192), config.details().attentionScale().orElseThrow(), 1e-12);
        assertEquals(
                new ExpertConfig(
                        384,
                        8,
                        true,
                        ExpertConfig.Score.SIGMOID,
                        ExpertGroups.one(),
                        2.827,
                        2048,
                        0,
                        new DenseLayers(Set.of(0), 18_432)),
                config.details().experts().orElseThrow());
        String sizes = LLAMA.replace("LlamaForCausalLM", "DeepseekV3ForCausalLM");
        ModelConfig absent = parse("{" + sizes + ", \"model_type\": \"kimi_k2\"}");
        ModelConfig deepSeek = parse("{" + sizes + ", \"model_type\": \"deepseek_v3\"}");
        assertEquals(deepSeek, absent);
        assertEquals(Optional.of(latent), absent.attention().latent());
        ExpertConfig experts = absent.details().experts().orElseThrow();
        assertEquals(256, experts.count());
        assertEquals(new ExpertGroups(8, 4, ExpertGroups.Rank.BEST_TWO), experts.groups());
        assertEquals(2.5, experts.scale());
        assertEquals(Set.of(0, 1, 2), experts.dense().layers());
    }

    @ParameterizedTest
    @CsvSource({
        "rope_theta, NaN",
        "rope_theta, Infinity",
        "rope_theta, -Infinity",
        "rope_theta, 1e999",
        "partial_rotary_factor, NaN",
        "attention_multiplier, Infinity",
        "max_position_embeddings, NaN"
    })
    void aNumberThatIsNotFiniteIsNamed(String key, String value) {
        String text = ("{" + LLAMA + "}").replace("\"" + key + "\": 4096", "\"x\": \"\"");
        String more = text.replace("}", ", \"%s\": %s}".formatted(key, value));
        Refused.naming(() -> parse(more), PATH.toString(), key + " is ", "expected a ");
    }

    @Test
    void eosIdsComeFromBothFilesAndMayBeLists() {
        ModelConfig config =
                HuggingFaceConfig.read(
                        TextConfig.of(json("{" + LLAMA + "}")),
                        Optional.of(json("{\"eos_token_id\": [7, 2, 9], \"bos_token_id\": 5}")),
                        Set.of(),
                        TensorType.F32);
        assertEquals(new SpecialIds(OptionalInt.of(1), List.of(7, 2, 9)), config.specialIds());
    }

    @Test
    void tensorsDecideWhenNoKeyDoes() {
        assertTrue(parse("{" + LLAMA + "}").tiedEmbeddings());
        ModelConfig seen =
                HuggingFaceConfig.read(
                        TextConfig.of(json("{" + LLAMA + "}")),
                        Optional.empty(),
                        Set.of("lm_head.weight", "model.layers.0.self_attn.q_proj.bias"),
                        TensorType.F32);
        assertFalse(seen.tiedEmbeddings());
        assertTrue(seen.attention().bias());
        assertFalse(read("\"tie_word_embeddings\": false").tiedEmbeddings());
    }

    @ParameterizedTest
    @ValueSource(strings = {"lm_head.weight", "embed_out.weight", "output.weight"})
    void aHeadByAnyNameIsNotTheEmbedding(String head) {
        ModelConfig config =
                HuggingFaceConfig.read(
                        TextConfig.of(json("{" + LLAMA + "}")),
                        Optional.empty(),
                        Set.of("model.embed_tokens.weight", head),
                        TensorType.F32);
        assertFalse(config.tiedEmbeddings());
    }

    @ParameterizedTest
    @CsvSource({
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "vocab_size",
        "max_position_embeddings",
        "rms_norm_eps",
        "architectures"
    })
    void aMissingKeyIsNamed(String key) {
        String without = ("{" + LLAMA + "}").replace("\"" + key + "\"", "\"x\"");
        Refused.naming(() -> parse(without), PATH.toString(), key, "missing");
        String nulled = without.replace("\"x\"", "\"" + key + "\": null, \"x\"");
        Refused.naming(() -> parse(nulled), PATH.toString(), key, "missing");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "hidden_size | 0 | hidden_size is 0",
                "hidden_size | -5 | hidden_size is -5",
                "hidden_size | 99999999999 | hidden_size is 99999999999",
                "hidden_size | 64.5 | hidden_size is 64.5",
                "hidden_size | \"64\" | hidden_size is \"64\"",
                "hidden_size | [64] | hidden_size is [64]",
                "hidden_size | 66 | hidden_size 66 does not divide",
                "num_hidden_layers | 1000000000 | num_hidden_layers is 1000000000",
                "num_key_value_heads | 3 | num_key_value_heads is 3",
                "num_key_value_heads | 8 | num_key_value_heads is 8",
                "rms_norm_eps | 0 | rms_norm_eps is 0.0",
                "rms_norm_eps | NaN | rms_norm_eps is NaN",
                "vocab_size | 0 | vocab_size is 0",
                "eos_token_id | \"x\" | eos_token_id is \"x\"",
                "architectures | [1] | architectures is 1"
            })
    void anInvalidValueIsNamed(String key, String value, String part) {
        String changed =
                ("{" + LLAMA + "}")
                        .replaceAll(
                                "\"" + key + "\": (\\[[^]]*]|[^,}]*)", "\"" + key + "\": " + value);
        Refused.naming(() -> parse(changed), PATH.toString(), part);
    }

    @Test
    void keysThatChangeTheArithmeticAreReadOrRefusedByName() {
        DecoderDetails details =
                read("\"hidden_act\": \"gelu\", \"num_experts\": 8, \"num_experts_per_tok\": 2,"
                                + " \"moe_intermediate_size\": 32, \"query_pre_attn_scalar\": 16,"
                                + " \"attn_logit_softcapping\": 50.0, \"logits_scaling\": 8")
                        .details();
        assertEquals("gelu", details.activation());
        assertEquals(Optional.of(new ExpertConfig(8, 2, false)), details.experts());
        assertEquals(0.25, details.attentionScale().orElseThrow());
        assertEquals(50, details.attentionCap().orElseThrow());
        assertEquals(8, details.logitDivisor());
        assertEquals(DecoderDetails.plain(), parse("{" + LLAMA + "}").details());
        Refused.naming(() -> read("\"clip_qkv\": 8.0"), "clip_qkv is 8.0");
        Refused.naming(
                () -> read("\"use_bidirectional_attention\": true"),
                "use_bidirectional_attention is true");
        Refused.naming(() -> read("\"text_config\": {}"), "text_config", "images");
        Refused.naming(
                () -> read("\"num_experts\": 8, \"num_experts_per_tok\": 9"),
                "experts per token 9");
    }

    private static ModelConfig read(String more) {
        return parse("{" + LLAMA + ", " + more + "}");
    }

    private static ModelConfig parse(String text) {
        return HuggingFaceConfig.read(
                TextConfig.of(json(text)), Optional.empty(), Set.of(), TensorType.F32);
    }

    private static JsonObject json(String text) {
        return JsonObject.parse(PATH, text.getBytes(StandardCharsets.UTF_8));
    }
}

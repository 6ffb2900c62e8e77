// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Families whose keys are read under other names.
class FamilyKeysTest {
    private static final String NEMOTRON =
            "\"model_type\": \"nemotron_h\", \"mamba_num_heads\": 4, \"mamba_head_dim\": 8, ";

    private static final String LLAMA4 =
            "\"model_type\": \"llama4_text\", \"num_hidden_layers\": 4, \"intermediate_size\": 32, \"intermediate_size_mlp\": 64, \"interleave_moe_layer_step\": 2, \"no_rope_layer_interval\": 4, ";

    private static final String GEMMA4 =
            "\"model_type\": \"gemma4_text\", \"num_hidden_layers\": 8, \"num_attention_heads\": 8, \"num_key_value_heads\": 4, ";

    @Test
    void aPatternNamesTheLayersOfNemotronH() {
        JsonObject read =
                nemotron(
                        "\"hybrid_override_pattern\": \"M-*E\", \"n_routed_experts\": 8, \"moe_latent_size\": null, \"num_hidden_layers\": 9");
        assertEquals(
                List.of("mamba", "feed_forward", "attention", "feed_forward"),
                read.texts("layer_types"));
        assertEquals(List.of("dense", "dense", "dense", "sparse"), read.texts("mlp_layer_types"));
        assertEquals(4, read.requireInteger("num_hidden_layers"));
        assertEquals(32, read.requireInteger("mamba_d_ssm"));
        assertFalse(
                nemotron("\"hybrid_override_pattern\": \"M-*\", \"n_routed_experts\": 8")
                        .has("n_routed_experts"));
    }

    @Test
    void whatNemotronHDoesNotComputeIsRefusedByName() {
        Refused.naming(
                () ->
                        nemotron(
                                "\"hybrid_override_pattern\": \"ME*\", \"moe_latent_size\": 1024, \"mlp_bias\": true"),
                "mlp_bias is true, expected false");
        Refused.naming(
                () -> nemotron("\"hybrid_override_pattern\": \"MX\""),
                "hybrid_override_pattern is MX, expected a text of M, *, - and E");
        Refused.naming(
                () ->
                        nemotron(
                                "\"layers_block_type\": [\"mamba\"], \"mamba_hidden_act\": \"gelu\""),
                "mamba_hidden_act is gelu, expected silu");
        Refused.naming(
                () -> nemotron("\"x\": 1"),
                "layers_block_type or hybrid_override_pattern is missing");
    }

    @Test
    void anEmptyListOfRopesMeansEveryFourthLayerOfLlama4() {
        JsonObject read = llama4("\"no_rope_layers\": [], \"attn_temperature_tuning\": 4");
        assertEquals(
                List.of(
                        "chunked_attention",
                        "chunked_attention",
                        "chunked_attention",
                        "full_attention"),
                read.texts("layer_types"));
        assertFalse(read.has("no_rope_layers"));
        assertEquals(List.of("dense", "sparse", "dense", "sparse"), read.texts("mlp_layer_types"));
        assertEquals(64, read.requireInteger("intermediate_size"));
        assertEquals(32, read.requireInteger("moe_intermediate_size"));
        assertTrue(new Llama4Keys(read).scalesQueries());
    }

    @Test
    void aChunkThatBeginsWithinABlockIsRefused() {
        assertEquals(48, Llama4Keys.chunk(llama4("\"attention_chunk_size\": 48")));
        Refused.naming(
                () -> Llama4Keys.chunk(llama4("\"attention_chunk_size\": 24")),
                "attention_chunk_size is 24, expected a positive multiple of 16");
    }

    @Test
    void layersOfGemma4WithoutAWindowHaveOtherHeads() {
        assertEquals(
                new AttentionConfig.FullHeads(2, 32),
                gemma4(
                                "\"attention_k_eq_v\": true, \"num_global_key_value_heads\": 2, \"global_head_dim\": 32")
                        .fullHeads());
        assertEquals(
                new AttentionConfig.FullHeads(4, 512),
                gemma4("\"num_global_key_value_heads\": 2").fullHeads());
        assertEquals(
                new AttentionConfig.FullHeads(1, 64),
                gemma4(
                                "\"per_layer_config\": {\"5\": {\"head_dim\": 64, \"num_key_value_heads\": 1}}")
                        .fullHeads());
        Refused.naming(
                () ->
                        gemma4("\"attention_k_eq_v\": true, \"num_global_key_value_heads\": 3")
                                .fullHeads(),
                "num_global_key_value_heads is 3, expected a divisor of the 8 heads");
    }

    @Test
    void everySixthAndTheLastLayerOfGemma4HaveNoWindowIfNoKeySaysIt() {
        JsonNode types = gemma4("\"global_head_dim\": 64").renamed().node().path("layer_types");
        List<Integer> full = new ArrayList<>();
        for (int layer = 0; layer < types.size(); layer++) {
            if (types.path(layer).asText().equals("full_attention")) {
                full.add(layer);
            }
        }
        assertEquals(List.of(5, 7), full);
    }

    @Test
    void onlyTheMixturesOfGemma4HaveExperts() {
        String experts =
                "\"intermediate_size\": 64, \"num_experts\": 8, \"top_k_experts\": 2, \"moe_intermediate_size\": 32";
        assertFalse(gemma4(experts).renamed().has("num_experts"));
        JsonObject mixture = gemma4("\"enable_moe_block\": true, " + experts).renamed();
        assertEquals(2, mixture.requireInteger("num_experts_per_tok"));
        assertEquals(64, mixture.requireInteger("shared_intermediate_size"));
        Refused.naming(
                () ->
                        gemma4(
                                        "\"enable_moe_block\": true, \"use_double_wide_mlp\": true, "
                                                + experts)
                                .renamed(),
                "use_double_wide_mlp is true, expected false");
        assertFalse(
                gemma4("\"use_bidirectional_attention\": \"vision\"")
                        .renamed()
                        .has("use_bidirectional_attention"));
    }

    @Test
    void layersOfGemma3nMayHaveSizesAndSparsitiesOfTheirOwn() {
        String shape =
                "\"num_hidden_layers\": 3, \"altup_num_inputs\": 4, \"altup_active_idx\": 0, \"laurel_rank\": 64, ";
        Gemma3nKeys keys = gemma3n(shape + "\"intermediate_size\": [64, 128, 64]");
        assertEquals(64, keys.config().requireInteger("intermediate_size"));
        assertEquals(Map.of(1, 128), keys.feedForwardSizes());
        assertEquals(5, keys.config().requireInteger("sliding_window_pattern"));
        assertEquals(
                new AltUpConfig(4, 0, true, 64, Collections.nCopies(3, Double.NEGATIVE_INFINITY)),
                keys.altUp().orElseThrow());
        List<Double> deep =
                gemma3n(shape.replace("3,", "12,") + "\"intermediate_size\": 64")
                        .altUp()
                        .orElseThrow()
                        .deviations();
        assertEquals(1.6448536269514722, deep.get(9), 1e-12);
        assertEquals(Double.NEGATIVE_INFINITY, deep.get(10));
        Refused.naming(
                () -> gemma3n(shape + "\"intermediate_size\": [64, 128]"),
                "intermediate_size is 2 entries, expected 3, one per layer");
        Refused.naming(
                () ->
                        gemma3n(
                                        shape
                                                + "\"intermediate_size\": 64, \"activation_sparsity_pattern\": [0.5]")
                                .altUp(),
                "activation_sparsity_pattern is 1 entries, expected 3, one per layer");
        Refused.naming(
                () ->
                        gemma3n(
                                        shape
                                                + "\"intermediate_size\": 64, \"activation_sparsity_pattern\": [0.5, 1, 0]")
                                .altUp(),
                "activation_sparsity_pattern is 1.0, expected numbers from 0 to below 1");
    }

    private static Gemma3nKeys gemma3n(String keys) {
        String all = "\"model_type\": \"gemma3n_text\", " + keys;
        return new Gemma3nKeys(new Gemma3nKeys(json(all)).renamed());
    }

    private static JsonObject nemotron(String keys) {
        return new NemotronHKeys(json(NEMOTRON + keys)).renamed();
    }

    private static JsonObject llama4(String keys) {
        return new Llama4Keys(json(LLAMA4 + keys)).renamed();
    }

    private static Gemma4Keys gemma4(String keys) {
        return new Gemma4Keys(json(GEMMA4 + keys));
    }

    private static JsonObject json(String keys) {
        return JsonObject.parse(
                Path.of("config.json"), ("{" + keys + "}").getBytes(StandardCharsets.UTF_8));
    }
}

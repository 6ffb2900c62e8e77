// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExpertReaderTest {

    @Test
    void deepSeekV3HasGroupsSharedExpertsAndDenseLayers() {
        ExpertConfig experts =
                read(
                        """
                        "model_type": "deepseek_v3", "num_hidden_layers": 5, "n_routed_experts": 16,
                        "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3,
                        "n_shared_experts": 2, "moe_intermediate_size": 64,
                        "intermediate_size": 256, "first_k_dense_replace": 2,
                        "routed_scaling_factor": 2.5, "norm_topk_prob": true,
                        "scoring_func": "sigmoid", "topk_method": "noaux_tc"
                        """);
        assertEquals(
                new ExpertConfig(
                        16,
                        3,
                        true,
                        ExpertConfig.Score.SIGMOID,
                        new ExpertGroups(4, 2, ExpertGroups.Rank.BEST_TWO),
                        2.5,
                        128,
                        0,
                        new DenseLayers(Set.of(0, 1), 256)),
                experts);
    }

    @Test
    void qwenNamesDenseLayersAndEveryHowManyAreSparse() {
        ExpertConfig experts =
                read(
                        """
                        "model_type": "qwen2_moe", "num_hidden_layers": 6, "num_experts": 8,
                        "num_experts_per_tok": 2, "intermediate_size": 96,
                        "shared_expert_intermediate_size": 48, "decoder_sparse_step": 2,
                        "mlp_only_layers": [3]
                        """);
        assertEquals(new DenseLayers(Set.of(0, 2, 3, 4), 96), experts.dense());
        assertEquals(48, experts.sharedSize());
        assertEquals(ExpertConfig.Score.SOFTMAX, experts.score());
    }

    @Test
    void ernieNamesTheFirstAndTheLastSparseLayer() {
        ExpertConfig experts =
                read(
                        """
                        "model_type": "ernie4_5_moe", "num_hidden_layers": 5, "moe_num_experts": 8,
                        "moe_k": 2, "intermediate_size": 96, "moe_intermediate_size": 16,
                        "moe_num_shared_experts": 2, "moe_layer_start_index": 1,
                        "moe_layer_end_index": 3
                        """);
        assertEquals(new DenseLayers(Set.of(0, 4), 96), experts.dense());
        assertEquals(32, experts.sharedSize());
        assertTrue(experts.renormalized());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "\"scoring_func\": \"sigmoid\"; scoring_func is sigmoid, expected softmax",
                "\"moe_layer_freq\": 2; moe_layer_freq is 2, expected 1",
                "\"moe_norm_min\": 0.5; moe_norm_min is 0.5, expected at most",
                "\"decoder_sparse_step\": 0; decoder_sparse_step is 0",
                "\"n_group\": 3, \"topk_group\": 1; 8 experts do not divide into 3 groups",
                "\"n_group\": 8, \"topk_group\": 1; 2 experts per token of 1 groups",
                "\"n_group\": 8, \"topk_group\": 4; 8 groups of 1 expert, ranked by their best two",
                "\"model_type\": \"ernie4_5_moe\", \"use_bias\": true; use_bias is true, expected false",
                "\"routed_scaling_factor\": 0; scale of experts 0.0 is not positive",
            })
    void whatIsNotComputedIsRefused(String keys, String message) {
        String plain = "\"num_hidden_layers\": 2, \"num_experts\": 8, \"num_experts_per_tok\": 2, ";
        RuntimeException refused = assertThrows(RuntimeException.class, () -> read(plain + keys));
        assertTrue(String.valueOf(refused.getMessage()).contains(message), refused::getMessage);
    }

    private static ExpertConfig read(String keys) {
        JsonObject config =
                JsonObject.parse(
                        Path.of("config.json"),
                        ("{" + keys + "}").getBytes(StandardCharsets.UTF_8));
        Optional<ExpertConfig> experts = new ExpertReader(config).experts();
        return experts.orElseThrow();
    }
}

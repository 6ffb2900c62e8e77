// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/// A reader of [DecoderDetails] in `config.json`.
record DetailsReader(JsonObject config) {

    DecoderDetails details() {
        return new DecoderDetails(
                activation(),
                config.number("embedding_multiplier").orElse(1),
                config.number("residual_multiplier").orElse(1),
                config.number("logits_scaling").orElse(1),
                attentionScale(),
                config.number("attn_logit_softcapping"),
                config.number("final_logit_softcapping"),
                experts());
    }

    /// Returns the activation. Gemma names two, of which `hidden_activation` applies.
    private String activation() {
        return config.text("hidden_activation", "hidden_act", "activation_function")
                .orElse(
                        switch (modelType()) {
                            case "gpt2" -> "gelu_new";
                            case "gpt_bigcode", "gemma2", "gemma3", "gemma3_text", "starcoder2" ->
                                    "gelu_pytorch_tanh";
                            default -> "silu";
                        });
    }

    private OptionalDouble attentionScale() {
        OptionalDouble scalar = config.number("query_pre_attn_scalar");
        return scalar.isPresent()
                ? OptionalDouble.of(1 / Math.sqrt(scalar.getAsDouble()))
                : config.number("attention_multiplier");
    }

    private Optional<ExpertConfig> experts() {
        OptionalInt count = config.integer("num_local_experts", "num_experts");
        if (count.isEmpty()) {
            return Optional.empty();
        }
        requireAllSparse();
        boolean always = modelType().equals("mixtral");
        return Optional.of(
                new ExpertConfig(
                        count.getAsInt(),
                        config.requireInteger("num_experts_per_tok"),
                        always || config.flag("norm_topk_prob").orElse(false)));
    }

    private void requireAllSparse() {
        if (!config.integers("mlp_only_layers").isEmpty()) {
            throw config.wrong(
                    "mlp_only_layers",
                    config.integers("mlp_only_layers"),
                    "none: layers without experts among layers with them are not supported");
        }
        int step = config.integer("decoder_sparse_step").orElse(1);
        if (step != 1) {
            throw config.wrong("decoder_sparse_step", step, "1: experts in every layer");
        }
    }

    private String modelType() {
        return config.text("model_type").orElse("");
    }
}

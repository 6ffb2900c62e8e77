// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A reader of [DecoderDetails] in `config.json`.
record DetailsReader(JsonObject config) {

    DecoderDetails details(PositionConfig positions) {
        return new DecoderDetails(
                activation(),
                config.number("embedding_multiplier").orElse(1),
                config.number("residual_multiplier").orElse(1),
                logitDivisor(),
                attentionScale(),
                config.number("attn_logit_softcapping"),
                config.number("final_logit_softcapping"),
                new ExpertReader(config).experts(),
                new EncoderReader(config).encoder(),
                feedForwardLayers(),
                feedForwardSizes(),
                layerInputs(),
                Gemma3nKeys.isOf(config) ? new Gemma3nKeys(config).altUp() : Optional.empty(),
                positions);
    }

    /// Returns the sizes of feed-forwards that differ: those of Gemma 4 are twice as wide in layers
    /// without keys and values of their own.
    private Map<Integer, Integer> feedForwardSizes() {
        if (Gemma3nKeys.isOf(config)) {
            return new Gemma3nKeys(config).feedForwardSizes();
        }
        int layers = config.integer("num_hidden_layers").orElse(0);
        int readers = config.integer("num_kv_shared_layers").orElse(0);
        if (!Gemma4Keys.isOf(config) || !config.flag("use_double_wide_mlp").orElse(false)) {
            return Map.of();
        }
        int wide = Math.multiplyExact(2, config.requireInteger("intermediate_size"));
        return IntStream.range(layers - readers, layers)
                .boxed()
                .collect(Collectors.toMap(layer -> layer, _ -> wide));
    }

    private Optional<LayerInputConfig> layerInputs() {
        boolean known = Gemma3nKeys.isOf(config) || Gemma4Keys.isOf(config);
        int size = known ? config.integer("hidden_size_per_layer_input").orElse(0) : 0;
        return size == 0
                ? Optional.empty()
                : Optional.of(
                        new LayerInputConfig(
                                size, config.requireInteger("vocab_size_per_layer_input")));
    }

    private Set<Integer> feedForwardLayers() {
        List<String> types = config.texts("layer_types");
        return IntStream.range(0, types.size())
                .filter(layer -> types.get(layer).equals(LayerTypes.FEED_FORWARD))
                .boxed()
                .collect(Collectors.toSet());
    }

    /// Returns the activation. Gemma 2 and 3 name two, of which `hidden_activation` applies; the
    /// first Gemma was published with `gelu` and computes its approximation; nomic-bert names the
    /// whole gated feed-forward.
    private String activation() {
        if (modelType().equals("gemma") && config.text("hidden_act").orElse("").equals("gelu")) {
            return "gelu_pytorch_tanh";
        }
        if (modelType().equals("nomic_bert")
                && config.text("activation_function").orElse("").equals("swiglu")) {
            return "silu";
        }
        return config.text("hidden_activation", "hidden_act", "activation_function")
                .orElse(
                        switch (modelType()) {
                            case "bert",
                                    "distilbert",
                                    "gte",
                                    "modernbert",
                                    "new",
                                    "roberta",
                                    "xlm-roberta" ->
                                    "gelu";
                            case "gpt2" -> "gelu_new";
                            case "gpt_bigcode", "gemma2", "gemma3", "gemma3_text", "starcoder2" ->
                                    "gelu_pytorch_tanh";
                            default -> "silu";
                        });
    }

    /// Returns the divisor of the logits; Cohere and Falcon-H1 have its inverse.
    private double logitDivisor() {
        OptionalDouble scale = config.number("logit_scale", "lm_head_multiplier");
        return scale.isPresent()
                ? 1 / scale.getAsDouble()
                : config.number("logits_scaling").orElse(1);
    }

    private OptionalDouble attentionScale() {
        var latents = new LatentReader(config);
        Optional<LatentConfig> latent = latents.latent();
        if (latent.isPresent()) {
            return OptionalDouble.of(latents.scale(latent.get()));
        }
        if (Gemma4Keys.isOf(config) || Gemma3nKeys.isOf(config)) {
            return OptionalDouble.of(1);
        }
        OptionalDouble scalar = config.number("query_pre_attn_scalar");
        return scalar.isPresent()
                ? OptionalDouble.of(1 / Math.sqrt(scalar.getAsDouble()))
                : config.number("attention_multiplier");
    }

    private String modelType() {
        return config.text("model_type").orElse("");
    }
}

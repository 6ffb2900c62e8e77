// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/// A reader of [StateConfig] in `config.json`, and of the layers that have one.
record StateReader(JsonObject config) {

    /// Returns the state of the layers that have one; empty for models of attention alone.
    Optional<StateConfig> state() {
        if (config.has("linear_num_value_heads")) {
            return Optional.of(
                    new StateConfig.GatedDelta(
                            config.requireInteger("linear_num_key_heads"),
                            config.requireInteger("linear_num_value_heads"),
                            config.requireInteger("linear_key_head_dim"),
                            config.requireInteger("linear_value_head_dim"),
                            config.requireInteger("linear_conv_kernel_dim")));
        }
        if (config.has("mamba_n_heads")) {
            return Optional.of(mamba2());
        }
        if (config.has("conv_L_cache")) {
            return Optional.of(
                    new StateConfig.ShortConvolution(
                            config.requireInteger("hidden_size"),
                            config.requireInteger("conv_L_cache")));
        }
        return Optional.empty();
    }

    private StateConfig mamba2() {
        int heads = config.requireInteger("mamba_n_heads");
        int width =
                config.integer("mamba_d_ssm")
                        .orElseGet(
                                () ->
                                        config.integer("mamba_expand").orElse(2)
                                                * config.requireInteger("hidden_size"));
        if (heads < 1 || width % heads != 0) {
            throw config.wrong("mamba_n_heads", heads, "a divisor of the width " + width);
        }
        // A number, or "auto".
        boolean given = config.node().path("mamba_d_head").isNumber();
        int headSize = given ? config.requireInteger("mamba_d_head") : width / heads;
        if (headSize * heads != width) {
            throw config.wrong("mamba_d_head", headSize, width / heads + ": width through heads");
        }
        config.requireFalse("mamba_proj_bias");
        boolean parallel = config.text("model_type").orElse("").equals("falcon_h1");
        if (parallel) {
            config.requireFalse("attention_bias");
            config.requireFalse("projectors_bias");
        }
        boolean normed = config.flag("mamba_rms_norm").orElse(false);
        if (parallel && normed && config.flag("mamba_norm_before_gate").orElse(true)) {
            throw config.wrong("mamba_norm_before_gate", true, "false");
        }
        JsonNode limits = config.node().path("time_step_limit");
        return new StateConfig.Mamba2(
                heads,
                headSize,
                config.integer("mamba_n_groups").orElse(1),
                config.requireInteger("mamba_d_state"),
                config.integer("mamba_d_conv").orElse(4),
                limits.path(0).asDouble(0),
                mostStep(limits.path(1)),
                parallel || config.text("position_embedding_type").orElse("nope").equals("rope"),
                !parallel || normed,
                parallel ? Optional.of(ParallelFactors.read(config)) : Optional.empty());
    }

    /// Returns the upper limit of steps: JSON has no infinity, and libraries write it in several
    /// ways.
    private static double mostStep(JsonNode limit) {
        return limit.isNumber() ? limit.doubleValue() : Double.POSITIVE_INFINITY;
    }

    /// Returns the kinds of all layers as `layer_types` would name them, where another key of a
    /// model with states gives them; else an empty list.
    List<String> layerTypes(int layers) {
        Optional<StateConfig> state = state();
        if (state.isEmpty() || !config.texts("layer_types").isEmpty()) {
            return List.of();
        }
        return switch (state.get()) {
            case StateConfig.GatedDelta _ -> everyInterval(layers);
            case StateConfig.ShortConvolution _ ->
                    config.has("full_attn_idxs")
                            ? allBut(config.integers("full_attn_idxs"), layers)
                            : List.of();
            case StateConfig.Mamba2 mamba ->
                    mamba.parallel().isPresent() ? List.of() : Collections.nCopies(layers, "mamba");
        };
    }

    private List<String> everyInterval(int layers) {
        int interval = config.integer("full_attention_interval").orElse(4);
        if (interval < 1) {
            throw config.wrong("full_attention_interval", interval, "a positive number");
        }
        List<String> types = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            types.add((layer + 1) % interval == 0 ? "full_attention" : "linear_attention");
        }
        return types;
    }

    private static List<String> allBut(List<Integer> attention, int layers) {
        List<String> types = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            types.add(attention.contains(layer) ? "full_attention" : "conv");
        }
        return types;
    }
}

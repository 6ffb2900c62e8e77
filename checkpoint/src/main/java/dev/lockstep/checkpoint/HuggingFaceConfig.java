// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// A reader of `config.json`, in the layout of transformers 5 (`rope_parameters`) and the older one
/// (`rope_theta`, `rope_scaling`), with the older names of GPT-2's keys.
final class HuggingFaceConfig {
    private static final int MAX_LAYERS = 1 << 14;

    private static final String[] NORM_EPSILON = {
        "rms_norm_eps", "layer_norm_epsilon", "norm_epsilon", "layer_norm_eps", "norm_eps"
    };

    private final JsonObject config;
    private final String architecture;
    private final Optional<JsonObject> generation;
    private final Set<String> tensorNames;

    private HuggingFaceConfig(
            TextConfig text, Optional<JsonObject> generation, Set<String> tensorNames) {
        this.config = withCommonKeys(ConfigDefaults.complete(renamed(text.config())));
        this.architecture = text.architecture();
        this.generation = generation;
        this.tensorNames = tensorNames;
    }

    /// Returns the configuration of the model with the given tensor names, which show whether there
    /// are biases and an untied output head when no key states it.
    static ModelConfig read(
            TextConfig text,
            Optional<JsonObject> generation,
            Set<String> tensorNames,
            TensorType weightType) {
        try {
            return new HuggingFaceConfig(text, generation, tensorNames).read(weightType);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(text.config().file() + ": " + e.getMessage(), e);
        }
    }

    private ModelConfig read(TensorType weightType) {
        refuseOtherArithmetic();
        int layers = requireSize(MAX_LAYERS, "num_hidden_layers", "n_layer");
        int hidden = requireSize(1 << 20, "hidden_size", "n_embd");
        Optional<EncoderConfig> encoder = new EncoderReader(config).encoder();
        int context = context(encoder);
        AttentionConfig attention = attention(hidden);
        var ropes = new RopeReader(config, attention.rotatedHeadDim(), context);
        int fullHead = attention.full().map(AttentionConfig.FullHeads::headDim).orElse(0);
        var fullRope = fullHead > 0 ? new RopeReader(config, fullHead, context) : ropes;
        LayerTypes types = LayerTypes.of(config, layers);
        return new ModelConfig(
                architecture,
                hidden,
                layers,
                feedForwardSize(hidden),
                requireSize(1 << 26, "vocab_size"),
                context,
                normEpsilon(),
                attention,
                fullRope.rope(),
                ropes.windowRope(),
                encoder.isEmpty()
                        && config.flag("tie_word_embeddings")
                                .orElse(
                                        Checkpoint.OUTPUT_HEADS.stream()
                                                .noneMatch(tensorNames::contains)),
                types.kvGroups(new StateReader(config).state(), kvReaders(layers)),
                specialIds(),
                weightType,
                new DetailsReader(config)
                        .details(new PositionReader(config, types).positions(context)));
    }

    /// Returns a configuration with the names of today for GPT-NeoX's older keys of its rope.
    private static JsonObject renamed(JsonObject config) {
        if (!config.text("model_type").orElse("").equals("gpt_neox")) {
            return config;
        }
        ObjectNode node = config.node().deepCopy();
        Map.of("rotary_pct", "partial_rotary_factor", "rotary_emb_base", "rope_theta")
                .forEach(
                        (older, name) -> {
                            if (node.has(older) && !node.has("rope_parameters")) {
                                node.set(name, node.get(older));
                            }
                        });
        return new JsonObject(config.file(), config.prefix(), node);
    }

    /// Returns a configuration whose keys have the names of most families.
    private static JsonObject withCommonKeys(JsonObject config) {
        requireFewLayers(config);
        if (NemotronHKeys.isOf(config)) {
            return new NemotronHKeys(config).renamed();
        }
        if (FalconKeys.isOf(config)) {
            return new FalconKeys(config).renamed();
        }
        if (DistilBertKeys.isOf(config)) {
            return new DistilBertKeys(config).renamed();
        }
        if (Gemma4Keys.isOf(config)) {
            return new Gemma4Keys(config).renamed();
        }
        if (Gemma3nKeys.isOf(config)) {
            return new Gemma3nKeys(config).renamed();
        }
        return Llama4Keys.isOf(config) ? new Llama4Keys(config).renamed() : config;
    }

    /// Refuses keys of known families that change what is computed.
    private void refuseOtherArithmetic() {
        if (config.has("text_config")) {
            throw new CheckpointException(
                    "%s: text_config belongs to a model of text and images that is not supported: use a version for text alone"
                            .formatted(config.file()));
        }
        boolean encodes = new EncoderReader(config).encoder().isPresent();
        for (String key :
                List.of(
                        "add_cross_attention",
                        "scale_attn_by_inverse_layer_idx",
                        EncoderReader.BIDIRECTIONAL)) {
            boolean known = encodes && key.equals(EncoderReader.BIDIRECTIONAL);
            if (config.flag(key).orElse(false) && !known) {
                throw config.wrong(key, true, "false");
            }
        }
        if (config.text("model_type").orElse("").equals("gpt_neox")
                && !config.flag("use_parallel_residual").orElse(true)) {
            throw config.wrong("use_parallel_residual", false, "true");
        }
        if (config.text("model_type").orElse("").equals("phi")) {
            config.requireFalse("qk_layernorm");
        }
        for (String key : List.of("is_causal", "scale_attn_weights", "use_rope")) {
            if (!config.flag(key).orElse(true)) {
                throw config.wrong(key, false, "true");
            }
        }
        if (config.has("clip_qkv")) {
            throw config.wrong("clip_qkv", config.requireNumber("clip_qkv"), "null");
        }
    }

    /// Returns the positions that a text may have. The table of learned ones has rows for padding
    /// too.
    private int context(Optional<EncoderConfig> encoder) {
        int positions = requireSize(1 << 30, "max_position_embeddings", "n_positions", "n_ctx");
        int before = encoder.map(EncoderConfig::firstPosition).orElse(0);
        if (positions <= before) {
            throw config.wrong(
                    presentKey("max_position_embeddings", "n_positions", "n_ctx"),
                    positions,
                    "more than the %d of padding".formatted(before));
        }
        return positions - before;
    }

    private AttentionConfig attention(int hidden) {
        int heads = requireSize(1 << 16, "num_attention_heads", "n_head");
        Optional<LatentConfig> latent = new LatentReader(config).latent();
        if (latent.isPresent()) {
            return AttentionConfig.latent(heads, latent.get());
        }
        int kvHeads =
                config.has("num_key_value_heads")
                        ? requireSize(heads, "num_key_value_heads")
                        : config.flag("multi_query").orElse(false) ? 1 : heads;
        if (heads % kvHeads != 0) {
            throw config.wrong(
                    "num_key_value_heads", kvHeads, "a divisor of the " + heads + " heads");
        }
        if (!config.has("head_dim") && hidden % heads != 0) {
            throw new CheckpointException(
                    "%s: hidden_size %d does not divide by num_attention_heads %d and head_dim is missing"
                            .formatted(config.file(), hidden, heads));
        }
        int headDim = config.has("head_dim") ? requireSize(1 << 16, "head_dim") : hidden / heads;
        boolean bias =
                config.flag("attention_bias").orElse(false)
                        || tensorNames.contains("model.layers.0.self_attn.q_proj.bias");
        boolean unitNorm = Llama4Keys.isOf(config) && config.flag("use_qk_norm").orElse(false);
        Optional<AttentionConfig.FullHeads> full =
                Gemma4Keys.isOf(config)
                        ? Optional.of(new Gemma4Keys(config).fullHeads())
                        : Optional.empty();
        return new AttentionConfig(heads, kvHeads, headDim, bias, unitNorm, full, Optional.empty());
    }

    /// Returns how many of the last layers read keys and values of earlier ones.
    private int kvReaders(int layers) {
        int readers = config.integer("num_kv_shared_layers").orElse(0);
        if (readers < 0 || readers >= layers) {
            throw config.wrong(
                    "num_kv_shared_layers", readers, "less than the %d layers".formatted(layers));
        }
        return readers;
    }

    private int feedForwardSize(int hidden) {
        if (AdjustedFeedForward.isOf(config)) {
            return new AdjustedFeedForward(config).size();
        }
        if (isDenseGraniteHybrid()) {
            return requireSize(1 << 24, "shared_intermediate_size");
        }
        boolean gptDefault = config.text("model_type").orElse("").startsWith("gpt");
        if (gptDefault && !config.has("intermediate_size") && !config.has("n_inner")) {
            return 4 * hidden;
        }
        // The experts of Hunyuan have the size of its feed-forward.
        boolean ofExperts =
                config.has("moe_intermediate_size")
                        && !config.text("model_type").orElse("").equals("hunyuan_v1_moe");
        return ofExperts
                ? requireSize(1 << 24, "moe_intermediate_size")
                : requireSize(1 << 24, "intermediate_size", "n_inner");
    }

    /// Its only feed-forward is the one that experts would share.
    private boolean isDenseGraniteHybrid() {
        return config.text("model_type").orElse("").equals("granitemoehybrid")
                && config.integer("num_local_experts").orElse(8) == 0;
    }

    private double normEpsilon() {
        double epsilon = config.requireNumber(NORM_EPSILON);
        if (!(epsilon > 0 && epsilon < 1)) {
            throw config.wrong(presentKey(NORM_EPSILON), epsilon, "a number between 0 and 1");
        }
        return epsilon;
    }

    /// Returns the special ids. The eos ids of `generation_config.json` come first: the model's
    /// authors generate with them.
    private SpecialIds specialIds() {
        LinkedHashSet<Integer> eos = new LinkedHashSet<>();
        generation.ifPresent(source -> eos.addAll(source.integers("eos_token_id")));
        eos.addAll(config.integers("eos_token_id"));
        eos.removeIf(id -> id < 0);
        OptionalInt bos = config.integer("bos_token_id");
        if (bos.isEmpty() && generation.isPresent()) {
            bos = generation.get().integer("bos_token_id");
        }
        return new SpecialIds(
                bos.isPresent() && bos.getAsInt() < 0 ? OptionalInt.empty() : bos,
                new ArrayList<>(eos));
    }

    /// Families make lists of all layers.
    private static void requireFewLayers(JsonObject config) {
        String key = "num_hidden_layers";
        int layers = config.integer(key).orElse(1);
        if (layers > MAX_LAYERS) {
            throw outside(config, key, layers, MAX_LAYERS);
        }
    }

    private int requireSize(int max, String... keys) {
        int value = config.requireInteger(keys);
        if (value < 1 || value > max) {
            throw outside(config, presentKey(keys), value, max);
        }
        return value;
    }

    private static CheckpointException outside(JsonObject config, String key, int value, int max) {
        return config.wrong(key, value, "a number from 1 to " + max);
    }

    private String presentKey(String... keys) {
        return Arrays.stream(keys).filter(config::has).findFirst().orElse(keys[0]);
    }
}

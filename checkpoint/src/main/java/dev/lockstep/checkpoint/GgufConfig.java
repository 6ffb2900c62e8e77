// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A reader of the model's configuration in GGUF metadata, whose keys begin with the architecture's
/// name.
final class GgufConfig {
    private static final Set<String> KNOWN =
            Set.of(
                    "attention.causal",
                    "attention.head_count",
                    "attention.head_count_kv",
                    "attention.key_length",
                    "attention.layer_norm_epsilon",
                    "attention.layer_norm_rms_epsilon",
                    "attention.scale",
                    "attention.sliding_window",
                    "attention.sliding_window_pattern",
                    "attention.value_length",
                    "expert_count",
                    "expert_feed_forward_length",
                    "expert_used_count",
                    "rope.dimension_count",
                    "rope.freq_base",
                    "rope.freq_base_swa",
                    "rope.scale_linear",
                    "rope.scaling.attn_factor",
                    "rope.scaling.factor",
                    "rope.scaling.finetuned",
                    "rope.scaling.original_context_length",
                    "rope.scaling.type",
                    "rope.scaling.yarn_beta_fast",
                    "rope.scaling.yarn_beta_slow",
                    "rope.scaling.yarn_log_multiplier");

    /// The key of [PositionConfig.QueryScale], which only Ministral 3 computes.
    private static final String QUERY_SCALE = "attention.temperature_scale";

    private final GgufMetadata metadata;
    private final Map<String, StoredTensor> tensors;
    private final String architecture;

    private GgufConfig(
            GgufMetadata metadata, Map<String, StoredTensor> tensors, String architecture) {
        this.metadata = metadata;
        this.tensors = tensors;
        this.architecture = architecture;
    }

    /// @param tensors by their Hugging Face names
    static ModelConfig read(GgufMetadata metadata, Map<String, StoredTensor> tensors) {
        String architecture =
                metadata.text("general.architecture")
                        .orElseThrow(() -> metadata.missing("general.architecture"));
        try {
            return new GgufConfig(metadata, tensors, architecture).read();
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(metadata.path() + ": " + e.getMessage(), e);
        }
    }

    private ModelConfig read() {
        requireKnown();
        int layers = requireSize("block_count", 1 << 14);
        int hidden = requireSize("embedding_length", 1 << 20);
        int context = requireSize("context_length", 1 << 30);
        AttentionConfig attention = attention(hidden);
        var ropes = new GgufRopeReader(metadata, tensors, architecture);
        RopeConfig rope = ropes.rope(attention.headDim(), context);
        return new ModelConfig(
                architecture,
                hidden,
                layers,
                feedForwardSize(),
                vocabularySize(),
                context,
                normEpsilon(),
                attention,
                rope,
                ropes.windowRope(rope),
                !tensors.containsKey("lm_head.weight"),
                layerTypes(layers).kvGroups(),
                specialIds(),
                Checkpoint.dominantType(tensors.values()),
                details(hidden, layers, attention));
    }

    /// Refuses keys of attention, rope and experts that may change what is computed.
    private void requireKnown() {
        for (String each : metadata.keys()) {
            String name = each.startsWith(key("")) ? each.substring(key("").length()) : "";
            if (name.matches("(attention\\.|rope\\.|expert_).*")
                    && !KNOWN.contains(name)
                    && !(name.equals(QUERY_SCALE) && architecture.equals("mistral3"))
                    && !metadata.isNeutral(each)) {
                throw metadata.wrong(each, "present", "absent: nothing is known of this key");
            }
        }
    }

    private int feedForwardSize() {
        return size("expert_feed_forward_length").orElse(0) > 0
                ? requireSize("expert_feed_forward_length", 1 << 24)
                : requireSize("feed_forward_length", 1 << 24);
    }

    private DecoderDetails details(int hidden, int layers, AttentionConfig attention) {
        return new DecoderDetails(
                switch (architecture) {
                    case "gemma", "gemma2", "gemma3", "gpt2", "starcoder", "starcoder2" ->
                            "gelu_pytorch_tanh";
                    case "arcee", "nemotron" -> "relu2";
                    default -> "silu";
                },
                number("embedding_scale", 1),
                number("residual_scale", 1),
                logitDivisor(),
                attentionScale(hidden, layers, attention),
                metadata.number(key("attn_logit_softcapping")),
                metadata.number(key("final_logit_softcapping")),
                experts(),
                positions(layers));
    }

    /// Returns the divisor of the logits, which some families store and others store the inverse
    /// of.
    private double logitDivisor() {
        double stored = number("logit_scale", 1);
        return switch (architecture) {
            case "cohere2", "command-r" -> 1 / stored;
            default -> stored;
        };
    }

    /// Returns the layers without rope, which are a rule of their family in llama.cpp, and the
    /// scale of queries.
    private PositionConfig positions(int layers) {
        List<Integer> windows = layerTypes(layers).windows();
        IntPredicate withoutRope =
                switch (architecture) {
                    case "smollm3" -> layer -> (layer + 1) % 4 == 0;
                    case "cohere2" -> layer -> windows.get(layer) == 0;
                    case "exaone4" ->
                            layer ->
                                    windows.get(layer) == 0
                                            && size("attention.sliding_window").orElse(0) > 0;
                    default -> _ -> false;
                };
        double beta = number(QUERY_SCALE, 0);
        int original =
                size("rope.scaling.original_context_length")
                        .orElse(requireSize("context_length", ModelConfig.MAX_CONTEXT));
        return new PositionConfig(
                IntStream.range(0, layers)
                        .filter(withoutRope)
                        .boxed()
                        .collect(Collectors.toUnmodifiableSet()),
                beta == 0
                        ? Optional.empty()
                        : Optional.of(new PositionConfig.QueryScale(beta, original)));
    }

    /// Returns the attention scale. Gemma's 27B models scale by the hidden size divided by the
    /// heads; GGUF files do not state this, and llama.cpp recognizes these models by their layer
    /// count.
    private OptionalDouble attentionScale(int hidden, int layers, AttentionConfig attention) {
        boolean scalesByHiddenSize =
                (architecture.equals("gemma2") && layers == 46)
                        || (architecture.equals("gemma3") && layers == 62);
        return scalesByHiddenSize
                ? OptionalDouble.of(1 / Math.sqrt((double) hidden / attention.headCount()))
                : metadata.number(key("attention.scale"));
    }

    private Optional<ExpertConfig> experts() {
        int count = size("expert_count").orElse(0);
        return count == 0
                ? Optional.empty()
                : Optional.of(
                        new ExpertConfig(count, requireSize("expert_used_count", count), true));
    }

    private double number(String name, double absent) {
        return metadata.number(key(name)).orElse(absent);
    }

    private AttentionConfig attention(int hidden) {
        int heads = requireSize("attention.head_count", 1 << 16);
        int kvHeads = size("attention.head_count_kv").orElse(heads);
        if (kvHeads < 1 || heads % kvHeads != 0) {
            throw metadata.wrong(
                    key("attention.head_count_kv"),
                    kvHeads,
                    "a divisor of the " + heads + " heads");
        }
        Optional<Integer> headDim = size("attention.key_length");
        if (headDim.isEmpty() && hidden % heads != 0) {
            throw metadata.wrong(
                    key("attention.head_count"), heads, "a divisor of the width " + hidden);
        }
        int dim = headDim.orElse(hidden / heads);
        int valueDim = size("attention.value_length").orElse(dim);
        if (valueDim != dim) {
            throw metadata.wrong(
                    key("attention.value_length"), valueDim, dim + ", the size of a key");
        }
        return new AttentionConfig(
                heads, kvHeads, dim, tensors.containsKey("model.layers.0.self_attn.q_proj.bias"));
    }

    /// Returns the number of the embedding's rows, because the vocabulary may be padded there.
    private int vocabularySize() {
        StoredTensor embedding =
                tensors.getOrDefault(
                        "model.embed_tokens.weight", tensors.get("transformer.wte.weight"));
        if (embedding != null && embedding.shape().size() == 2) {
            return (int) Math.min(Integer.MAX_VALUE, embedding.shape().getFirst());
        }
        return requireSize("vocab_size", 1 << 26);
    }

    private double normEpsilon() {
        OptionalDouble rms = metadata.number(key("attention.layer_norm_rms_epsilon"));
        return rms.isPresent()
                ? rms.getAsDouble()
                : metadata.number(key("attention.layer_norm_epsilon"))
                        .orElseThrow(
                                () -> metadata.missing(key("attention.layer_norm_rms_epsilon")));
    }

    private LayerTypes layerTypes(int layers) {
        int window = size("attention.sliding_window").orElse(0);
        String patternKey = key("attention.sliding_window_pattern");
        if (window == 0) {
            return LayerTypes.everywhere(layers, 0);
        }
        if (metadata.isArray(patternKey)) {
            int[] windowed = metadata.integers(patternKey).orElseThrow();
            if (windowed.length != layers) {
                throw metadata.wrong(patternKey, windowed.length + " entries", layers + " entries");
            }
            List<Integer> windows = new ArrayList<>();
            for (int flag : windowed) {
                windows.add(flag != 0 ? window : 0);
            }
            return new LayerTypes(windows);
        }
        int period =
                switch (architecture) {
                    case "gemma2" -> 2;
                    case "cohere2", "exaone4" -> 4;
                    case "gemma3" -> 6;
                    default -> 0;
                };
        period = metadata.size(patternKey).orElse(period);
        return period == 0
                ? LayerTypes.everywhere(layers, window)
                : LayerTypes.periodic(layers, window, period);
    }

    private SpecialIds specialIds() {
        LinkedHashSet<Integer> eos = new LinkedHashSet<>();
        for (String name : List.of("eos", "eot", "eom")) {
            metadata.size("tokenizer.ggml." + name + "_token_id").ifPresent(eos::add);
        }
        Optional<Integer> bos = metadata.size("tokenizer.ggml.bos_token_id");
        return new SpecialIds(
                bos.isPresent() ? OptionalInt.of(bos.get()) : OptionalInt.empty(),
                new ArrayList<>(eos));
    }

    private int requireSize(String name, int max) {
        int value = size(name).orElseThrow(() -> metadata.missing(key(name)));
        if (value < 1 || value > max) {
            throw metadata.wrong(key(name), value, "a number from 1 to " + max);
        }
        return value;
    }

    private Optional<Integer> size(String name) {
        return metadata.size(key(name));
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}

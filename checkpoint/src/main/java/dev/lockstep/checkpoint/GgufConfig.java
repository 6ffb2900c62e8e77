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
    private static final List<String> EMBEDDINGS =
            List.of(
                    "model.embed_tokens.weight",
                    "transformer.wte.weight",
                    "embeddings.word_embeddings.weight",
                    "embeddings.tok_embeddings.weight");

    private final GgufMetadata metadata;
    private final Map<String, StoredTensor> tensors;
    private final String architecture;
    private final ArchitectureKeys keys;
    private final GgufStateReader states;
    private final GgufEncoderReader encoders;
    private final GgufGemmaReader gemma;

    private GgufConfig(
            GgufMetadata metadata, Map<String, StoredTensor> tensors, String architecture) {
        this.metadata = metadata;
        this.tensors = tensors;
        this.architecture = architecture;
        this.keys = new ArchitectureKeys(metadata, architecture);
        this.states = new GgufStateReader(keys, tensors);
        this.encoders = new GgufEncoderReader(keys, tensors);
        this.gemma = new GgufGemmaReader(keys, tensors);
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
        new GgufKnownKeys(keys).requireKnown();
        int layers = layers();
        int hidden = requireSize("embedding_length", 1 << 20);
        int context = requireSize("context_length", 1 << 30);
        AttentionConfig attention = attention(hidden, layers);
        var ropes = new GgufRopeReader(keys, tensors);
        int fullHead =
                attention
                        .full()
                        .map(AttentionConfig.FullHeads::headDim)
                        .orElse(attention.rotatedHeadDim());
        RopeConfig rope = ropes.rope(fullHead, context);
        return new ModelConfig(
                architecture,
                hidden,
                layers,
                feedForwardSize(layers),
                vocabularySize(),
                context,
                normEpsilon(),
                attention,
                rope,
                ropes.windowRope(rope, attention.rotatedHeadDim()),
                encoders.encoder().isEmpty() && !tensors.containsKey("lm_head.weight"),
                layerTypes(layers).kvGroups(states.state(hidden), gemma.kvReaders(layers)),
                specialIds(),
                Checkpoint.dominantType(tensors.values()),
                details(hidden, layers, attention, rope));
    }

    /// Returns the layers without those that predict further tokens, which follow them.
    private int layers() {
        int blocks = requireSize("block_count", 1 << 14);
        int further = size("nextn_predict_layers").orElse(0);
        if (further >= blocks) {
            throw metadata.wrong(
                    key("nextn_predict_layers"), further, "less than the " + blocks + " blocks");
        }
        return blocks - further;
    }

    /// Returns the size of an expert, or of the first layer's feed-forward.
    private int feedForwardSize(int layers) {
        return size("expert_feed_forward_length").orElse(0) > 0
                ? requireSize("expert_feed_forward_length", 1 << 24)
                : gemma.applies()
                        ? gemma.feedForwards(layers).getFirst()
                        : requireSize("feed_forward_length", 1 << 24);
    }

    private DecoderDetails details(
            int hidden, int layers, AttentionConfig attention, RopeConfig rope) {
        return new DecoderDetails(
                switch (architecture) {
                    case "gemma",
                            "gemma2",
                            "gemma3",
                            "gemma3n",
                            "gemma4",
                            "gemma-embedding",
                            "gpt2",
                            "starcoder",
                            "starcoder2" ->
                            "gelu_pytorch_tanh";
                    case "bert", "modern-bert" -> "gelu";
                    case "arcee", "nemotron" -> "relu2";
                    default -> "silu";
                },
                number("embedding_scale", 1),
                number("residual_scale", 1),
                logitDivisor(),
                attentionScale(hidden, layers, attention, rope),
                metadata.number(key("attn_logit_softcapping")),
                metadata.number(key("final_logit_softcapping")),
                new GgufExpertReader(keys, tensors).experts(layers),
                encoders.encoder(),
                Set.of(),
                gemma.applies() ? gemma.feedForwardSizes(layers) : Map.of(),
                gemma.layerInputs(),
                gemma.altUp(layers),
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
        double beta = number(GgufKnownKeys.QUERY_SCALE, 0);
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
    private OptionalDouble attentionScale(
            int hidden, int layers, AttentionConfig attention, RopeConfig rope) {
        if (attention.latent().isPresent()) {
            return OptionalDouble.of(
                    new GgufLatentReader(keys).scale(attention.latent().get(), rope));
        }
        if (gemma.applies()) {
            return OptionalDouble.of(1);
        }
        boolean scalesByHiddenSize =
                (architecture.equals("gemma2") && layers == 46)
                        || (architecture.equals("gemma3") && layers == 62);
        return scalesByHiddenSize
                ? OptionalDouble.of(1 / Math.sqrt((double) hidden / attention.headCount()))
                : metadata.number(key("attention.scale"));
    }

    private double number(String name, double absent) {
        return keys.number(name, absent);
    }

    private AttentionConfig attention(int hidden, int layers) {
        int heads = requireSize("attention.head_count", 1 << 16);
        Optional<LatentConfig> latent = new GgufLatentReader(keys).latent();
        if (latent.isPresent()) {
            return AttentionConfig.latent(heads, latent.get());
        }
        Optional<AttentionConfig> ofGemma4 = gemma.attention(heads, windows(layers).windows());
        if (ofGemma4.isPresent()) {
            return ofGemma4.get();
        }
        int kvHeads = kvHeads(heads);
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

    /// Returns the KV heads of the layers that have some.
    private int kvHeads(int heads) {
        String key = key("attention.head_count_kv");
        if (!metadata.isArray(key)) {
            return size("attention.head_count_kv").orElse(heads);
        }
        int[] counts =
                IntStream.of(metadata.integers(key).orElseThrow())
                        .filter(each -> each != 0)
                        .distinct()
                        .toArray();
        if (counts.length != 1) {
            throw metadata.wrong(
                    key, "a list of " + counts.length + " numbers besides 0", "of one number");
        }
        return counts[0];
    }

    /// Returns the number of the embedding's rows, because the vocabulary may be padded there.
    private int vocabularySize() {
        for (String name : EMBEDDINGS) {
            StoredTensor embedding = tensors.get(name);
            if (embedding != null && embedding.shape().size() == 2) {
                return (int) Math.min(Integer.MAX_VALUE, embedding.shape().getFirst());
            }
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
        Set<Integer> withState = states.layers(layers);
        return withState.isEmpty() ? windows(layers) : windows(layers).withStates(withState);
    }

    private LayerTypes windows(int layers) {
        int window = encoders.window(size("attention.sliding_window").orElse(0));
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
                    case "gemma2", "gpt-oss" -> 2;
                    case "cohere2", "exaone4" -> 4;
                    case "gemma3n" -> 5;
                    case "gemma3", "gemma-embedding" -> 6;
                    case "modern-bert" -> 3;
                    default -> 0;
                };
        int every = metadata.size(patternKey).orElse(period);
        return every == 0
                ? LayerTypes.everywhere(layers, window)
                : encoders.layerTypes(layers, window, every)
                        .orElseGet(() -> LayerTypes.periodic(layers, window, every));
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
        return keys.requireSize(name, max);
    }

    private Optional<Integer> size(String name) {
        return keys.size(name);
    }

    private String key(String name) {
        return keys.key(name);
    }
}

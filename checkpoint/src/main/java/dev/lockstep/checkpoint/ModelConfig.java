// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// The shape of a model, the same from `config.json` and from GGUF metadata.
///
/// @param architecture the name in the file: a class name such as `LlamaForCausalLM`, or GGUF's
///   `llama`
/// @param feedForwardSize size of a feed-forward, or of one expert
/// @param contextLength the configured number of positions
/// @param normEpsilon epsilon of every RMSNorm or LayerNorm
/// @param windowRope rope of the layers with a sliding window; equals `rope` in most models
/// @param tiedEmbeddings true when the output head is the embedding
/// @param kvGroups paged groups in order of their first layer, then at most one of states; every
///   layer is in one of them, or in a paged group and in that of states, or a feed-forward alone
/// @param weightType the type of most of the weights' bytes
public record ModelConfig(
        String architecture,
        int hiddenSize,
        int layerCount,
        int feedForwardSize,
        int vocabularySize,
        int contextLength,
        double normEpsilon,
        AttentionConfig attention,
        RopeConfig rope,
        RopeConfig windowRope,
        boolean tiedEmbeddings,
        List<KvGroup> kvGroups,
        SpecialIds specialIds,
        TensorType weightType,
        DecoderDetails details) {
    static final int MAX_CONTEXT = 1 << 30;

    /// Creates the configuration of a plain decoder.
    public ModelConfig(
            String architecture,
            int hiddenSize,
            int layerCount,
            int feedForwardSize,
            int vocabularySize,
            int contextLength,
            double normEpsilon,
            AttentionConfig attention,
            RopeConfig rope,
            RopeConfig windowRope,
            boolean tiedEmbeddings,
            List<KvGroup> kvGroups,
            SpecialIds specialIds,
            TensorType weightType) {
        this(
                architecture,
                hiddenSize,
                layerCount,
                feedForwardSize,
                vocabularySize,
                contextLength,
                normEpsilon,
                attention,
                rope,
                windowRope,
                tiedEmbeddings,
                kvGroups,
                specialIds,
                weightType,
                DecoderDetails.plain());
    }

    public ModelConfig {
        kvGroups = List.copyOf(kvGroups);
        requireBetween("hidden size", hiddenSize, 1, 1 << 20);
        requireBetween("layers", layerCount, 1, 1 << 14);
        requireBetween("feed-forward size", feedForwardSize, 1, 1 << 24);
        requireBetween("vocabulary size", vocabularySize, 1, 1 << 26);
        requireBetween("context length", contextLength, 1, MAX_CONTEXT);
        if (!(normEpsilon > 0 && normEpsilon < 1)) {
            throw new IllegalArgumentException(
                    "norm epsilon " + normEpsilon + " is not between 0 and 1");
        }
        if (rope.rotaryDim() > attention.largestHead()) {
            throw new IllegalArgumentException(
                    "rotary size %d exceeds the head size %d"
                            .formatted(rope.rotaryDim(), attention.largestHead()));
        }
        details.experts()
                .ifPresent(
                        each ->
                                requireBetween(
                                        "expert latent size", each.latentSize(), 0, hiddenSize));
        Set<Integer> feedForwards = details.feedForwardLayers();
        requireGroups(kvGroups, layerCount - feedForwards.size(), feedForwards);
    }

    /// A layer may have both attention and a state.
    private static void requireGroups(
            List<KvGroup> groups, int layerCount, Set<Integer> feedForwards) {
        if (groups.stream().limit(groups.size() - 1).anyMatch(group -> !group.isPaged())) {
            throw new IllegalArgumentException("a KV group of states is not the only and last one");
        }
        Set<Integer> grouped = new HashSet<>();
        for (KvGroup group : groups) {
            for (int layer : group.all()) {
                if (!grouped.add(layer) && group.isPaged()) {
                    throw new IllegalArgumentException("layer " + layer + " is in two KV groups");
                }
            }
        }
        if (grouped.size() != layerCount || !Collections.disjoint(grouped, feedForwards)) {
            throw new IllegalArgumentException(
                    "KV groups name %d layers of %d".formatted(grouped.size(), layerCount));
        }
        if (groups.stream().noneMatch(KvGroup::isPaged)) {
            throw new IllegalArgumentException(
                    "the layers keep states alone: a model needs at least one layer of attention");
        }
    }

    /// Returns the groups that keep keys and values in blocks.
    public List<KvGroup> pagedGroups() {
        return kvGroups.stream().filter(KvGroup::isPaged).toList();
    }

    /// Returns which of [#pagedGroups] a layer is in.
    public int pagedGroup(int layer) {
        List<KvGroup> groups = pagedGroups();
        for (int group = 0; group < groups.size(); group++) {
            if (groups.get(group).has(layer)) {
                return group;
            }
        }
        throw new IllegalArgumentException("layer " + layer + " is in no KV group");
    }

    /// Returns the heads of a layer that has attention.
    public AttentionConfig attention(int layer) {
        return attention.of(pagedGroups().get(pagedGroup(layer)));
    }

    /// Returns whether a layer attends to keys and values of an earlier layer and keeps none.
    public boolean readsEarlierKv(int layer) {
        return pagedGroups().stream().anyMatch(group -> group.readers().contains(layer));
    }

    /// Returns the group of the layers that keep a state of each sequence.
    public Optional<KvGroup> stateGroup() {
        return kvGroups.stream().filter(group -> !group.isPaged()).findFirst();
    }

    /// Returns whether a layer keeps a state, instead of keys and values or beside them.
    public boolean keepsState(int layer) {
        return stateGroup().filter(group -> group.layers().contains(layer)).isPresent();
    }

    /// Returns the factors of layers that have both attention and a state.
    public Optional<ParallelFactors> parallelFactors() {
        return stateGroup()
                .flatMap(KvGroup::state)
                .flatMap(
                        state ->
                                state instanceof StateConfig.Mamba2 mamba
                                        ? mamba.parallel()
                                        : Optional.empty());
    }

    /// Returns whether attention rotates positions in a model whose other layers keep a state.
    public boolean rotatesBesideStates() {
        return stateGroup()
                .flatMap(KvGroup::state)
                .filter(state -> state instanceof StateConfig.Mamba2 mamba && !mamba.rotary())
                .isEmpty();
    }

    /// Returns whether a layer has a feed-forward, or a mixture of experts in its place.
    public boolean hasFeedForward(int layer) {
        Set<Integer> alone = details.feedForwardLayers();
        return alone.isEmpty() || alone.contains(layer);
    }

    /// Returns the sliding window or the chunk of a layer, empty for full attention.
    public OptionalInt window(int layer) {
        for (KvGroup group : kvGroups) {
            if (group.has(layer)) {
                return group.window() > 0 ? OptionalInt.of(group.window()) : OptionalInt.empty();
            }
        }
        throw new IllegalArgumentException("layer " + layer + " of " + layerCount);
    }

    /// Returns this configuration with another number of positions.
    ModelConfig withContextLength(int other) {
        return with(other, specialIds);
    }

    /// Returns this configuration without the ids that end a text.
    ModelConfig withoutEnds() {
        return with(contextLength, new SpecialIds(specialIds.bos(), List.of()));
    }

    private ModelConfig with(int positions, SpecialIds ids) {
        return new ModelConfig(
                architecture,
                hiddenSize,
                layerCount,
                feedForwardSize,
                vocabularySize,
                positions,
                normEpsilon,
                attention,
                rope,
                windowRope,
                tiedEmbeddings,
                kvGroups,
                ids,
                weightType,
                details);
    }

    /// Returns the number of positions up to which the model can be served: the context length, or
    /// more if the rope is scaled beyond it.
    ///
    /// Gemma 3 is configured with its scaled context.
    public int maxContextLength() {
        return architecture.toLowerCase(Locale.ROOT).startsWith("gemma3")
                ? contextLength
                : rope.scaling().reach(contextLength);
    }

    /// Returns the rope of a layer.
    public RopeConfig rope(int layer) {
        return window(layer).isPresent() ? windowRope : rope;
    }

    /// Returns whether a layer is a mixture of experts.
    public boolean hasExperts(int layer) {
        return details.experts().filter(each -> !each.dense().layers().contains(layer)).isPresent();
    }

    /// Returns the size of the feed-forward of a layer without experts.
    public int feedForwardSize(int layer) {
        return details.feedForwardSizes().getOrDefault(layer, feedForwardSize);
    }

    /// Returns the number of feed-forwards of a layer: its experts, or 1.
    public int feedForwardsPerLayer() {
        return details.experts().map(ExpertConfig::count).orElse(1);
    }

    static void requireBetween(String what, long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(
                    "%s %d is not between %d and %d".formatted(what, value, min, max));
        }
    }
}

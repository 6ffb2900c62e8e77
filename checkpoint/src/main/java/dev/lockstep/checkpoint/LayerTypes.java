// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The attention window of each layer of a model.
///
/// @param windows one per layer, 0 for full attention, [#STATE] for a layer that keeps a state,
///   [#NEITHER] for a layer of a feed-forward alone
/// @param chunked whether windows are chunks
record LayerTypes(List<Integer> windows, boolean chunked) {
    static final int STATE = -1;
    static final int NEITHER = -2;

    /// The type of a layer of a feed-forward alone, which no file names.
    static final String FEED_FORWARD = "feed_forward";

    LayerTypes {
        windows = List.copyOf(windows);
    }

    LayerTypes(List<Integer> windows) {
        this(windows, false);
    }

    /// Reads `config.json`: `layer_types` decides; without it `sliding_window` applies to every
    /// layer, or to those that a family's own rule or key selects.
    static LayerTypes of(JsonObject config, int layers) {
        OptionalInt window = window(config);
        List<String> named =
                Stream.of(
                                new StateReader(config).layerTypes(layers),
                                new EncoderReader(config).layerTypes(layers))
                        .filter(each -> !each.isEmpty())
                        .findFirst()
                        .orElseGet(() -> config.texts("layer_types"));
        if (named.isEmpty()) {
            return window.isEmpty()
                    ? everywhere(layers, 0)
                    : byRule(config, layers, window.getAsInt());
        }
        if (named.size() != layers) {
            throw config.wrong(
                    "layer_types", named.size() + " entries", layers + ", one per layer");
        }
        List<Integer> windows = new ArrayList<>();
        for (String name : named) {
            windows.add(
                    switch (name) {
                        case "full_attention", "attention", "hybrid" -> 0;
                        case "linear_attention", "conv", "mamba" -> STATE;
                        case FEED_FORWARD -> NEITHER;
                        case "chunked_attention" -> Llama4Keys.chunk(config);
                        case "sliding_attention" ->
                                window.orElseThrow(
                                        () ->
                                                config.missing(
                                                        new EncoderReader(config).windowKey()));
                        default ->
                                throw config.wrong(
                                        "layer_types", name, "full_attention or sliding_attention");
                    });
        }
        boolean chunked = named.contains("chunked_attention");
        if (chunked && named.contains("sliding_attention")) {
            throw config.wrong("layer_types", named, "windows or chunks, not both");
        }
        return new LayerTypes(windows, chunked);
    }

    static LayerTypes everywhere(int layers, int window) {
        return new LayerTypes(Collections.nCopies(layers, window));
    }

    /// Returns windows in all layers except each `period`-th.
    static LayerTypes periodic(int layers, int window, int period) {
        List<Integer> windows = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            windows.add((layer + 1) % period == 0 ? 0 : window);
        }
        return new LayerTypes(windows);
    }

    /// Returns these layers with some that keep a state.
    LayerTypes withStates(Set<Integer> layers) {
        List<Integer> types = new ArrayList<>(windows);
        layers.forEach(layer -> types.set(layer, STATE));
        return new LayerTypes(types);
    }

    /// Returns one group per different window, in order of first layers, and then the layers that
    /// keep a state.
    ///
    /// @param readers the number of last layers that read the keys and values of earlier ones with
    ///   the same window
    List<KvGroup> kvGroups(Optional<StateConfig> state, int readers) {
        int keepers = windows.size() - readers;
        List<KvGroup> groups = new LayerTypes(windows.subList(0, keepers), chunked).kvGroups(state);
        Map<Integer, List<Integer>> readersByWindow = new LinkedHashMap<>();
        for (int layer = keepers; layer < windows.size(); layer++) {
            readersByWindow.computeIfAbsent(windows.get(layer), w -> new ArrayList<>()).add(layer);
        }
        List<KvGroup> shared = new ArrayList<>();
        for (KvGroup group : groups) {
            List<Integer> own = group.isPaged() ? readersByWindow.remove(group.window()) : null;
            shared.add(own == null ? group : group.withReaders(own));
        }
        if (!readersByWindow.isEmpty()) {
            throw new IllegalArgumentException(
                    "the %d last layers read keys and values, but no layer like layer %d keeps some"
                            .formatted(
                                    readers,
                                    readersByWindow.values().iterator().next().getFirst()));
        }
        return List.copyOf(shared);
    }

    /// Returns one group per different window, in order of first layers, and then the layers that
    /// keep a state.
    List<KvGroup> kvGroups(Optional<StateConfig> state) {
        Map<Integer, List<Integer>> layersByWindow = new LinkedHashMap<>();
        for (int layer = 0; layer < windows.size(); layer++) {
            layersByWindow.computeIfAbsent(windows.get(layer), w -> new ArrayList<>()).add(layer);
        }
        layersByWindow.remove(NEITHER);
        boolean parallel =
                state.filter(
                                each ->
                                        each instanceof StateConfig.Mamba2 mamba
                                                && mamba.parallel().isPresent())
                        .isPresent();
        List<Integer> withState =
                parallel
                        ? IntStream.range(0, windows.size()).boxed().toList()
                        : layersByWindow.remove(STATE);
        List<KvGroup> groups = new ArrayList<>();
        layersByWindow.forEach(
                (window, layers) ->
                        groups.add(
                                window == 0
                                        ? KvGroup.full(layers)
                                        : chunked
                                                ? KvGroup.chunk(layers, window)
                                                : KvGroup.window(layers, window)));
        if (withState != null) {
            groups.add(
                    KvGroup.state(
                            withState,
                            state.orElseThrow(
                                    () ->
                                            new IllegalArgumentException(
                                                    "layer_types names layers that keep a state, and no key gives its size"))));
        }
        return List.copyOf(groups);
    }

    private static OptionalInt window(JsonObject config) {
        if (!config.flag("use_sliding_window").orElse(true)) {
            return OptionalInt.empty();
        }
        var encoders = new EncoderReader(config);
        OptionalInt window = config.integer(encoders.windowKey());
        if (window.isEmpty()) {
            return window;
        }
        int tokens = window.getAsInt();
        if (tokens < 1) {
            throw config.wrong(encoders.windowKey(), tokens, "a positive number");
        }
        // An encoder's has two sides, and the token itself between them.
        return OptionalInt.of(encoders.encoder().isPresent() ? tokens / 2 + 1 : tokens);
    }

    private static LayerTypes byRule(JsonObject config, int layers, int window) {
        OptionalInt period = windowPeriod(config);
        if (period.isPresent()) {
            return periodic(layers, window, period.getAsInt());
        }
        int firstWindowed =
                config.has("use_sliding_window")
                        ? config.integer("max_window_layers").orElse(0)
                        : 0;
        List<Integer> windows = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            windows.add(layer >= firstWindowed ? window : 0);
        }
        return new LayerTypes(windows);
    }

    private static OptionalInt windowPeriod(JsonObject config) {
        OptionalInt named = config.integer("sliding_window_pattern", "_sliding_window_pattern");
        if (named.isPresent() && named.getAsInt() < 1) {
            throw config.wrong("sliding_window_pattern", named.getAsInt(), "a positive number");
        }
        if (named.isPresent()) {
            return named;
        }
        return switch (config.text("model_type").orElse("")) {
            case "gemma2", "vaultgemma" -> OptionalInt.of(2);
            case "cohere2", "olmo3" -> OptionalInt.of(4);
            case "gemma3", "gemma3_text" -> OptionalInt.of(6);
            default -> OptionalInt.empty();
        };
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A reader of [PositionConfig] in `config.json`.
///
/// @param types the windows of the layers, by which some families choose those without rope
record PositionReader(JsonObject config, LayerTypes types) {

    PositionConfig positions(int context) {
        return new PositionConfig(withoutRope(), queryScale(context));
    }

    private Set<Integer> withoutRope() {
        return switch (config.text("model_type").orElse("")) {
            case "llama4_text", "smollm3" -> namedWithoutRope();
            case "cohere2" -> layers(layer -> types.windows().get(layer) == 0);
            case "exaone4", "exaone_moe" ->
                    layers(
                            layer ->
                                    config.has("sliding_window")
                                            && types.windows().get(layer) == 0);
            default -> Set.of();
        };
    }

    /// Returns the layers whose entry of `no_rope_layers` is 0; without the list each
    /// `no_rope_layer_interval`-th.
    private Set<Integer> namedWithoutRope() {
        List<Integer> rotated = config.integers("no_rope_layers");
        if (config.has("no_rope_layers")) {
            if (rotated.size() < types.windows().size()) {
                throw config.wrong(
                        "no_rope_layers",
                        rotated.size() + " entries",
                        types.windows().size() + ", one per layer");
            }
            return layers(layer -> rotated.get(layer) == 0);
        }
        int interval = config.requireInteger("no_rope_layer_interval");
        if (interval < 1) {
            throw config.wrong("no_rope_layer_interval", interval, "a positive number");
        }
        return layers(layer -> (layer + 1) % interval == 0);
    }

    private Set<Integer> layers(IntPredicate some) {
        return IntStream.range(0, types.windows().size())
                .filter(some)
                .boxed()
                .collect(Collectors.toUnmodifiableSet());
    }

    private Optional<PositionConfig.QueryScale> queryScale(int context) {
        if (Llama4Keys.isOf(config)) {
            return new Llama4Keys(config).scalesQueries()
                    ? Optional.of(
                            new PositionConfig.QueryScale(
                                    config.requireNumber("attn_scale"),
                                    config.requireInteger("floor_scale"),
                                    1))
                    : Optional.empty();
        }
        Optional<JsonObject> rope = RopeReader.keys(config);
        OptionalDouble beta =
                rope.map(each -> each.number(RopeReader.QUERY_SCALE))
                        .orElse(OptionalDouble.empty());
        if (beta.isEmpty()) {
            return Optional.empty();
        }
        int original =
                rope.orElseThrow().integer("original_max_position_embeddings").orElse(context);
        return Optional.of(new PositionConfig.QueryScale(beta.getAsDouble(), original));
    }
}

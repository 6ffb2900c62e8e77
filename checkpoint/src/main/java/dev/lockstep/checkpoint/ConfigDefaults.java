// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// What an absent key of `config.json` means, by `model_type`.
///
/// Transformers has these defaults in the configuration class of each family;
/// `record_config_defaults.py` wrote them to the resource. A key that is null is not absent: it
/// switches something off. Sizes are required, except in a nested configuration: published ones of
/// several modalities leave out what equals the default.
final class ConfigDefaults {
    private static final String RESOURCE = "config-defaults.json";
    private static final JsonObject BY_MODEL_TYPE = read();

    private ConfigDefaults() {}

    /// Returns whether the defaults of a model type are known.
    static boolean areKnown(String modelType) {
        return BY_MODEL_TYPE.has(modelType);
    }

    /// Returns the configuration with the defaults of its `model_type`.
    static JsonObject complete(JsonObject config) {
        String type = config.text("model_type").orElse("");
        ObjectNode node = config.node().deepCopy();
        BY_MODEL_TYPE.object(type).ifPresent(defaults -> add(config, node, defaults));
        return new JsonObject(config.file(), config.prefix(), node);
    }

    private static void add(JsonObject config, ObjectNode node, JsonObject defaults) {
        boolean nested = !config.prefix().isEmpty();
        // A file in the older layout may have either of the two; rope_parameters replaces both.
        boolean olderRope = config.has("rope_theta") || config.has("rope_scaling");
        for (String group : nested ? List.of("values", "sizes") : List.of("values")) {
            add(node, defaults.object(group).orElseThrow());
        }
        if (config.has("rope_parameters")) {
            return;
        }
        ObjectNode rope = defaults.object("rope").orElseThrow().node().deepCopy();
        if (olderRope) {
            rope.remove("rope_parameters");
        }
        add(node, new JsonObject(defaults.file(), "", rope));
    }

    private static void add(ObjectNode node, JsonObject defaults) {
        for (Map.Entry<String, JsonNode> entry : defaults.entries()) {
            if (!node.has(entry.getKey())) {
                node.set(entry.getKey(), entry.getValue());
            }
        }
    }

    private static JsonObject read() {
        try (InputStream resource = ConfigDefaults.class.getResourceAsStream(RESOURCE)) {
            return JsonObject.parse(
                    Path.of(RESOURCE), Objects.requireNonNull(resource).readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

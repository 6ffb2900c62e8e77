// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The tensors of a model of several modalities: those of its text model under the names that it
/// has alone, and what belongs to the other modalities, which stays on disk.
///
/// @param others by their names in the file
record TextTensors(Map<String, StoredTensor> text, Map<String, StoredTensor> others) {
    private record Prefix(String stored, String alone) {}

    /// Prefixes of the text model, as different releases of transformers write them.
    private static final List<Prefix> TEXT =
            List.of(
                    new Prefix("model.language_model.lm_head.", "lm_head."),
                    new Prefix("model.language_model.model.", "model."),
                    new Prefix("model.language_model.", "model."),
                    new Prefix("language_model.lm_head.", "lm_head."),
                    new Prefix("language_model.model.", "model."),
                    new Prefix("model.text_model.", "model."));

    private static final Pattern OTHER =
            Pattern.compile(
                    "(?:model\\.)?(visual|vision_tower|vision_model|vision_encoder|vision_embed_tokens"
                            + "|multi_modal_projector|mm_projector|connector|mlp1|image_newline"
                            + "|patch_merger|audio_tower|audio_encoder|audio_model|embed_vision|embed_audio)\\b.*");

    static TextTensors of(Map<String, StoredTensor> stored) {
        Map<String, StoredTensor> text = new LinkedHashMap<>();
        Map<String, StoredTensor> others = new LinkedHashMap<>();
        stored.forEach(
                (name, tensor) -> {
                    if (OTHER.matcher(name).matches()) {
                        others.put(name, tensor);
                    } else {
                        text.put(alone(name), tensor);
                    }
                });
        return new TextTensors(text, others);
    }

    /// Returns a line about what stays on disk.
    String left() {
        // By their part of the model, such as `vision_tower`.
        Map<String, Integer> counts = new TreeMap<>();
        for (String name : others.keySet()) {
            Matcher other = OTHER.matcher(name);
            if (other.matches()) {
                counts.merge(other.group(1), 1, Integer::sum);
            }
        }
        return counts.isEmpty()
                ? "no tensors of other modalities are in the files"
                : counts.entrySet().stream()
                        .map(each -> "%s %d".formatted(each.getKey(), each.getValue()))
                        .collect(Collectors.joining(", ", "tensors that stay on disk: ", ""));
    }

    private static String alone(String name) {
        for (Prefix prefix : TEXT) {
            if (name.startsWith(prefix.stored())) {
                return prefix.alone() + name.substring(prefix.stored().length());
            }
        }
        return name;
    }
}

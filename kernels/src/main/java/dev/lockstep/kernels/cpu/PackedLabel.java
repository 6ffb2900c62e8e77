// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.util.LinkedHashMap;
import java.util.Map;

/// What a file of packed weights says about itself: the shard and the layout. One that differs in
/// anything is made anew.
record PackedLabel(PackedShard shard, PackedLayout layout) {

    /// Returns the name of the file. Weights that are packed by a newer version of the kernels
    /// replace it; each copy of a model has its own.
    String fileName() {
        return "%s-%s-%dof%d-%s-%s%s"
                .formatted(
                        shard.content().substring(0, 16),
                        shard.stamp().substring(0, 8),
                        shard.rank(),
                        shard.ranks(),
                        shard.compute(),
                        layout.kernels(),
                        PackedFolder.SUFFIX);
    }

    String text() {
        return """
                model=%s
                content=%s
                stamp=%s
                rank=%d
                ranks=%d
                compute=%s
                kernels=%s
                version=%d
                """
                .formatted(
                        shard.model(),
                        shard.content(),
                        shard.stamp(),
                        shard.rank(),
                        shard.ranks(),
                        shard.compute(),
                        layout.kernels(),
                        layout.version());
    }

    /// @throws PackedFileException if the text is not one of [#text]
    static PackedLabel parse(String text) throws PackedFileException {
        Map<String, String> values = new LinkedHashMap<>();
        for (String line : text.split("\n", -1)) {
            int equals = line.indexOf('=');
            if (equals > 0) {
                values.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        try {
            var label =
                    new PackedLabel(
                            new PackedShard(
                                    values.getOrDefault("model", ""),
                                    values.getOrDefault("content", ""),
                                    values.getOrDefault("stamp", ""),
                                    Integer.parseInt(values.getOrDefault("rank", "")),
                                    Integer.parseInt(values.getOrDefault("ranks", "")),
                                    values.getOrDefault("compute", "")),
                            new PackedLayout(
                                    values.getOrDefault("kernels", ""),
                                    Integer.parseInt(values.getOrDefault("version", ""))));
            if (label.text().equals(text)) {
                return label;
            }
        } catch (IllegalArgumentException _) {
            // Refused below, like a text with other lines.
        }
        throw new PackedFileException("its label is not one of packed weights");
    }

    /// Returns whether a file with this label holds what `needed` names. A model has the same
    /// content under any name.
    boolean serves(PackedLabel needed) {
        return named("").equals(needed.named(""));
    }

    private PackedLabel named(String model) {
        return new PackedLabel(
                new PackedShard(
                        model,
                        shard.content(),
                        shard.stamp(),
                        shard.rank(),
                        shard.ranks(),
                        shard.compute()),
                layout);
    }
}

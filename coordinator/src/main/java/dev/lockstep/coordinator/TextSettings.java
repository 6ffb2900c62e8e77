// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.util.Optional;

/// The settings that replace what a model's files say about text.
///
/// @param chatTemplate a file that replaces the model's chat template
/// @param generationDefaults whether the model's sampling values are the defaults of requests
public record TextSettings(Optional<Path> chatTemplate, boolean generationDefaults) {
    /// Replaces nothing.
    static final TextSettings OF_MODEL = new TextSettings(Optional.empty(), true);

    public static TextSettings of(Settings settings) {
        return new TextSettings(
                settings.find(ProcessKeys.CHAT_TEMPLATE).map(Path::of),
                settings.value(ProcessKeys.GENERATION_CONFIG) == ProcessKeys.GenerationConfig.AUTO);
    }
}

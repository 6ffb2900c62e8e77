// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
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

    /// Returns the sampling values of requests that have none of their own.
    public GenerationDefaults defaults(TokenizerSource source) {
        return generationDefaults ? GenerationDefaults.of(source) : GenerationDefaults.NONE;
    }

    /// Returns the template that renders chats.
    ///
    /// @param tokenizer with the names of the tokens that the template writes
    public ModelTemplate template(TokenizerSource source, Optional<Tokenizer> tokenizer) {
        return chatTemplate
                .<ModelTemplate>map(
                        file -> new ModelTemplate.Usable(ModelTemplate.ofFile(file, tokenizer)))
                .orElseGet(() -> ModelTemplate.of(source, tokenizer));
    }
}

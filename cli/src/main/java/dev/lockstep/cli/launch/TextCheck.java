// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.coordinator.TextSettings;
import dev.lockstep.text.ModelTemplate;
import java.nio.file.Path;
import java.util.Optional;

/// What the launcher reads of a model's text files before it starts a process: their sampling
/// values, whether the chat template parses, and how a decoder ranks if a setting says so. It needs
/// no tokenizer, which takes longer.
record TextCheck(GenerationDefaults defaults, ModelTemplate template) {
    /// Reads the files of a model.
    ///
    /// @throws dev.lockstep.checkpoint.CheckpointException with one line when a value or the
    ///   template of the settings cannot be used
    static TextCheck of(TextSettings settings, Path model) {
        if (settings.reranker().isPresent()) {
            settings.sentenceModel(Checkpoint.open(model));
        }
        TokenizerSource source = TokenizerSource.open(model);
        return new TextCheck(
                settings.defaults(source), settings.template(source, Optional.empty()));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.text.jinja.TemplateException;
import java.nio.file.Path;
import java.util.Optional;

/// The chat template of a model as it was found. A model serves completions without one, so a
/// broken one does not stop it.
public sealed interface ModelTemplate {
    record Usable(ChatTemplate template) implements ModelTemplate {}

    record Missing() implements ModelTemplate {}

    /// A template that cannot be used.
    ///
    /// @param fault one line that names the file
    record Broken(String fault) implements ModelTemplate {}

    /// Reads the model's own template.
    ///
    /// @param tokenizer with the names of the tokens that the template writes
    static ModelTemplate of(TokenizerSource source, Optional<Tokenizer> tokenizer) {
        try {
            Optional<TokenizerSource.Template> found = source.chatTemplate();
            return found.isPresent() ? new Usable(parse(found.get(), tokenizer)) : new Missing();
        } catch (CheckpointException e) {
            return new Broken(e.getMessage());
        }
    }

    /// Reads a template that a user names, which replaces the model's.
    ///
    /// @throws CheckpointException with one line that names the file and the fault
    static ChatTemplate ofFile(Path file, Optional<Tokenizer> tokenizer) {
        return parse(TokenizerSource.Template.read(file), tokenizer);
    }

    private static ChatTemplate parse(
            TokenizerSource.Template template, Optional<Tokenizer> tokenizer) {
        try {
            return ChatTemplate.parse(
                    template.text(),
                    tokenizer.map(Tokenizer::bosText).orElse(""),
                    tokenizer.map(Tokenizer::eosText).orElse(""));
        } catch (TemplateException e) {
            throw new CheckpointException(template.place() + ": " + e.getMessage(), e);
        }
    }
}

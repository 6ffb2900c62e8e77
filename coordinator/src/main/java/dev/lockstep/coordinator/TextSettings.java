// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.RerankerFile;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.tools.AnswerFormat;
import java.nio.file.Path;
import java.util.Optional;

/// The settings that replace what a model's files say about text.
///
/// @param chatTemplate a file that replaces the model's chat template
/// @param generationDefaults whether the model's sampling values are the defaults of requests
/// @param toolFormat a file that replaces what the template shows of the model's answers
/// @param reranker `qwen3`, or a file that says how a decoder ranks
/// @param reasoning where clients find reasoning if a request does not say
public record TextSettings(
        Optional<Path> chatTemplate,
        boolean generationDefaults,
        Optional<Path> toolFormat,
        Optional<String> reranker,
        ReasoningPlace reasoning) {
    public static final Key<String> TOOL_FORMAT =
            Key.text("tool-format", "FILE", "a description of how the model writes answers")
                    .orElseComputed("learnt from the template");

    public static final Key<ReasoningPlace> REASONING =
            Key.choice(
                            "reasoning",
                            ReasoningPlace.class,
                            "where chats have what the model thought: nowhere, in a field of its own, or in the content")
                    .orElse("separate");

    public static final Key<String> RERANKER =
            Key.text(
                            "reranker",
                            "FILE",
                            "how a decoder ranks by tokens: qwen3, or a file of tokens and template")
                    .orElseComputed("as the model's files say");

    /// Replaces nothing.
    static final TextSettings OF_MODEL =
            new TextSettings(
                    Optional.empty(),
                    true,
                    Optional.empty(),
                    Optional.empty(),
                    ReasoningPlace.SEPARATE);

    public static TextSettings of(Settings settings) {
        return new TextSettings(
                settings.find(ProcessKeys.CHAT_TEMPLATE).map(Path::of),
                settings.value(ProcessKeys.GENERATION_CONFIG) == ProcessKeys.GenerationConfig.AUTO,
                settings.find(TOOL_FORMAT).map(Path::of),
                settings.find(RERANKER),
                settings.value(REASONING));
    }

    /// Refuses a description of answers that cannot be used.
    public TextSettings requireToolFormat() {
        try {
            toolFormat.ifPresent(AnswerFormat::requireDescription);
            return this;
        } catch (IllegalArgumentException e) {
            throw new SettingsException("--tool-format: " + e.getMessage());
        }
    }

    /// Returns how a model is used for embeddings or ranking.
    ///
    /// @throws dev.lockstep.checkpoint.CheckpointException naming what is not supported
    public SentenceModel sentenceModel(Checkpoint checkpoint) {
        return reranker.map(
                        name ->
                                name.equals(RerankerFile.QWEN3.place())
                                        ? RerankerFile.QWEN3
                                        : RerankerFile.read(Path.of(name)))
                .map(each -> each.of(checkpoint))
                .orElseGet(checkpoint::sentenceModel);
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

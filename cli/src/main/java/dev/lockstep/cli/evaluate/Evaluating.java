// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.ModelSource;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/// What an evaluation is asked for.
///
/// @param text a UTF-8 file
/// @param context tokens of a window
/// @param limit the largest number of windows
/// @param layers whether layers are compared too
public record Evaluating(
        ModelChoice model,
        Optional<ModelChoice> reference,
        Path text,
        int context,
        int limit,
        boolean layers) {

    /// Checks everything that can be checked before weights are loaded, then measures.
    ///
    /// @param kernels opens the kernels of one model
    public EvaluationReport run(Supplier<Kernels> kernels, Terminal terminal) {
        ModelSource source = open(model);
        Optional<ModelSource> other = reference.map(this::open);
        other.ifPresent(each -> requireEqualTokens(source, each));
        if (!source.tokenizer().hasTokenizer()) {
            throw new UnusableException(
                    "%s has no tokenizer, which the text needs".formatted(model.path()));
        }
        Tokenizer tokenizer = Tokenizers.of(source.tokenizer());
        TextWindows windows =
                TextWindows.of(text.toString(), read(text), tokenizer, context, limit);
        Evaluation evaluation =
                new Evaluator(windows, kernels, layers, terminal).run(source, other);
        return new EvaluationReport(
                model.name(), reference.map(ModelChoice::name), context, evaluation);
    }

    private static String read(Path text) {
        try {
            return Files.readString(text);
        } catch (NoSuchFileException e) {
            throw new UnusableException("--text=%s does not exist".formatted(text));
        } catch (CharacterCodingException e) {
            throw new UnusableException("--text=%s is not UTF-8".formatted(text));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private ModelSource open(ModelChoice choice) {
        ModelSource source = ModelSource.open(choice.path());
        if (source.cutRanks().orElse(1) != 1) {
            throw new UnusableException(
                    "%s was cut for %d ranks and is measured with one: name the original model, or convert it for 1"
                            .formatted(choice.path(), source.cutRanks().getAsInt()));
        }
        source.requireLoadable(1);
        if (!source.hasOutputHead()) {
            throw new UnusableException(
                    "%s is a base model without an output head: it computes embeddings and predicts no text"
                            .formatted(choice.path()));
        }
        if (context > source.maxContextLength()) {
            throw new UnusableException(
                    "--context=%d is longer than the context of %s, %d"
                            .formatted(context, choice.path(), source.maxContextLength()));
        }
        return source;
    }

    private void requireEqualTokens(ModelSource source, ModelSource other) {
        if (source.vocabularySize() != other.vocabularySize()) {
            throw new UnusableException(
                    "%s has %d tokens in its vocabulary, %s has %d: only models of one vocabulary can be compared"
                            .formatted(
                                    model.path(),
                                    source.vocabularySize(),
                                    reference.orElseThrow().path(),
                                    other.vocabularySize()));
        }
    }
}

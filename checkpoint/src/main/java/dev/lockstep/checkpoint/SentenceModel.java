// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// What a model's files say about its use for embeddings or ranking: those of sentence-transformers
/// in a folder, the type of pooling in a GGUF file.
///
/// @param output what is computed of the last layer's hidden states
/// @param prompts texts that precede an input, by the names that requests use
/// @param defaultPrompt the name of the one that a request without a name gets
/// @param maxLength the most tokens of an input; empty for the context
/// @param lowerCase whether inputs are lower-cased before they are tokenized
public record SentenceModel(
        Output output,
        Map<String, String> prompts,
        Optional<String> defaultPrompt,
        OptionalInt maxLength,
        boolean lowerCase) {

    /// A model whose files say nothing: the normalised vector of the last token.
    public static final SentenceModel NONE =
            new SentenceModel(
                    Vectors.of(SentencePooling.LAST),
                    Map.of(),
                    Optional.empty(),
                    OptionalInt.empty(),
                    false);

    public SentenceModel {
        // In the order of the file, for messages.
        prompts = Collections.unmodifiableMap(new LinkedHashMap<>(prompts));
    }

    /// What is computed of an input's hidden states.
    public sealed interface Output {}

    /// One vector of each input.
    ///
    /// @param includePrompt whether the tokens of a prompt are pooled too
    /// @param dense layers after pooling, in order
    /// @param normalize whether the vector gets length 1
    public record Vectors(
            SentencePooling pooling,
            boolean includePrompt,
            List<SentenceDense> dense,
            boolean normalize,
            SentenceSimilarity similarity)
            implements Output {
        public Vectors {
            dense = List.copyOf(dense);
        }

        static Vectors of(SentencePooling pooling) {
            return of(pooling, List.of());
        }

        static Vectors of(SentencePooling pooling, List<SentenceDense> dense) {
            return new Vectors(pooling, true, dense, true, SentenceSimilarity.COSINE);
        }
    }

    /// A score of a query and a document, computed from a prompt with both.
    ///
    /// @param pooling the hidden state that it is computed from
    /// @param layer before the last product, in encoders
    /// @param weight the last product is that with this vector
    /// @param bias added to it
    /// @param activation of the score
    /// @param form how the two become a prompt
    /// @param tokenTypes whether the tokens of the document have token type 1
    public record Score(
            SentencePooling pooling,
            Optional<ScoreLayer> layer,
            float[] weight,
            float bias,
            SentenceDense.Activation activation,
            PairForm form,
            boolean tokenTypes)
            implements Output {
        public double of(float[] pooled) {
            float[] state = layer.map(each -> each.apply(pooled)).orElse(pooled);
            double sum = bias;
            for (int i = 0; i < weight.length; i++) {
                sum += (double) weight[i] * state[i];
            }
            return activation.of(sum);
        }
    }

    /// Returns a text as it is tokenized.
    public String cased(String text) {
        return lowerCase ? text.toLowerCase(Locale.ROOT) : text;
    }

    /// Returns this model with the normalised vectors of another pooling, after linear layers.
    SentenceModel pooled(SentencePooling pooling, List<SentenceDense> dense) {
        return new SentenceModel(
                Vectors.of(pooling, dense), prompts, defaultPrompt, maxLength, lowerCase);
    }

    /// Returns the number of components of a vector.
    ///
    /// @param hiddenSize of the model
    public int dimensions(int hiddenSize) {
        return switch (output) {
            case Vectors vectors when !vectors.dense().isEmpty() ->
                    vectors.dense().getLast().outputs();
            case Vectors _, Score _ -> hiddenSize;
        };
    }
}

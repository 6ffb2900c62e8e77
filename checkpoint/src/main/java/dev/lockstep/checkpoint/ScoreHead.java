// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.OptionalInt;

/// A reader of the weights that follow pooling: those of a score of a query and a document, and
/// those of linear layers.
final class ScoreHead {
    private static final String SCORE = "score.weight";

    private ScoreHead() {}

    /// Returns the one linear layer of a `…ForSequenceClassification`.
    static SentenceModel.Score ofClassifier(
            Checkpoint checkpoint, SentenceDense.Activation activation, boolean chat) {
        return ofDecoder(row(checkpoint, SCORE), activation, chat);
    }

    private static SentenceModel.Score ofDecoder(
            float[] weight, SentenceDense.Activation activation, boolean chat) {
        return new SentenceModel.Score(
                SentencePooling.LAST, Optional.empty(), weight, 0, activation, chat, false);
    }

    /// Returns the weights of a single score.
    static float[] row(Checkpoint checkpoint, String name) {
        WeightMatrix head = checkpoint.tensor(name);
        int hidden = checkpoint.config().hiddenSize();
        if (head.rows() != 1 || head.columns() != hidden) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d], a reranker has one score of %d components: [1, %d]"
                            .formatted(
                                    checkpoint.path(),
                                    name,
                                    head.rows(),
                                    head.columns(),
                                    hidden,
                                    hidden));
        }
        return values(checkpoint, name, 1, hidden);
    }

    /// Returns the values of a tensor of a head, row after row.
    static float[] values(Checkpoint checkpoint, String name, int rows, int columns) {
        WeightMatrix values = checkpoint.tensor(name);
        if (values.rows() != rows || values.columns() != columns) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d], expected [%d, %d]"
                            .formatted(
                                    checkpoint.path(),
                                    name,
                                    values.rows(),
                                    values.columns(),
                                    rows,
                                    columns));
        }
        requirePlain(checkpoint, name, values);
        return values.floats(0, rows * columns);
    }

    private static void requirePlain(Checkpoint checkpoint, String name, WeightMatrix values) {
        if (values.decoder().isPresent() || values.type().isQuantized()) {
            throw new CheckpointException(
                    "%s: tensor %s is quantized, what follows pooling must be F32, F16 or BF16"
                            .formatted(checkpoint.path(), name));
        }
    }

    /// Returns the score of a `LogitScore` module: the logit of one token, or by how much it
    /// exceeds that of another.
    static SentenceModel.Score ofTokens(
            JsonObject config,
            Checkpoint checkpoint,
            SentenceDense.Activation activation,
            boolean chat) {
        OptionalInt trueId = id(config, "true_token_id", checkpoint);
        return ofDecoder(
                weight(
                        checkpoint,
                        trueId.orElseThrow(() -> config.missing("true_token_id")),
                        id(config, "false_token_id", checkpoint)),
                activation,
                chat);
    }

    private static OptionalInt id(JsonObject config, String key, Checkpoint checkpoint) {
        OptionalInt id = config.integer(key);
        int size = checkpoint.config().vocabularySize();
        if (id.isPresent() && (id.getAsInt() < 0 || id.getAsInt() >= size)) {
            throw config.wrong(key, id.getAsInt(), "a token id below " + size);
        }
        return id;
    }

    private static float[] weight(Checkpoint checkpoint, int trueId, OptionalInt falseId) {
        DecoderDetails details = checkpoint.config().details();
        if (!checkpoint.hasOutputHead() || details.logitCap().isPresent()) {
            throw new CheckpointException(
                    "%s: scores by the logits of tokens need an output head, and logits without a cap"
                            .formatted(checkpoint.path()));
        }
        float[] weight = tokenRow(checkpoint, trueId);
        if (falseId.isPresent()) {
            float[] other = tokenRow(checkpoint, falseId.getAsInt());
            for (int i = 0; i < weight.length; i++) {
                weight[i] -= other[i];
            }
        }
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) (weight[i] / details.logitDivisor());
        }
        return weight;
    }

    private static float[] tokenRow(Checkpoint checkpoint, int id) {
        ModelConfig config = checkpoint.config();
        String name =
                checkpoint.has("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
        WeightMatrix head = checkpoint.tensor(name);
        requirePlain(checkpoint, name, head);
        int hidden = config.hiddenSize();
        return head.part(id, 1).floats(0, hidden);
    }
}

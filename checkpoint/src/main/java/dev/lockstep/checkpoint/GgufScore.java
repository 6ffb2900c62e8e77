// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;

/// A reader of the head of a GGUF file that scores a query and a document: `pooling_type` 4, or the
/// tensors of a head.
///
/// ```
/// score = cls.output · tanh(cls · first token)           BERT, RoBERTa, XLM-RoBERTa
/// score = cls.output · relu(cls · first token)           DistilBERT, which has no token types
/// score = cls.output · norm(gelu(cls · pooled))          ModernBERT
/// score = cls.output · last token                        decoders
/// ```
///
/// Files do not name the function of the score: it is the sigmoid. Of the two labels yes and no it
/// is the softmax, which is the sigmoid of the difference.
///
/// @param keys of the architecture
record GgufScore(GgufCheckpoint checkpoint, ArchitectureKeys keys) {
    /// The number of a pooling that scores.
    static final int RANK = 4;

    static final String OUTPUT = "cls.output.weight";
    private static final String LAYER = "cls.weight";
    private static final String BIAS = "cls.output.bias";
    private static final String POOLING = "classifier.pooling_type";
    private static final String LABELS = "classifier.output_labels";
    private static final String TEMPLATE = "tokenizer.chat_template.rerank";

    /// Returns whether a file has a head of scores.
    static boolean isIn(Checkpoint checkpoint) {
        return checkpoint.has(OUTPUT) || checkpoint.has(LAYER);
    }

    SentenceModel.Score read() {
        if (!checkpoint.has(OUTPUT)) {
            throw keys.wrong(
                    GgufPooling.KEY,
                    RANK,
                    "1 (mean), 2 (cls) or 3 (last), or a head of scores: tensor "
                            + OUTPUT
                            + " is missing");
        }
        Optional<EncoderConfig> encoder = checkpoint.config().details().encoder();
        if (encoder.isEmpty()) {
            return new SentenceModel.Score(
                    SentencePooling.LAST,
                    Optional.empty(),
                    row(),
                    bias(),
                    SentenceDense.Activation.SIGMOID,
                    form(),
                    false);
        }
        boolean modern = keys.architecture().equals("modern-bert");
        return new SentenceModel.Score(
                modern ? pooling() : SentencePooling.CLS,
                Optional.of(modern ? modernLayer() : layer(encoder.get())),
                row(),
                bias(),
                SentenceDense.Activation.SIGMOID,
                new PairForm.TokenizerRule(),
                encoder.get().tokenTypes() > 1
                        && keys.metadata()
                                .text("tokenizer.ggml.model")
                                .equals(Optional.of("bert")));
    }

    /// Returns the form of pairs: a template with places for the two, else the tokenizer's rule.
    private PairForm form() {
        Optional<String> text = keys.metadata().text(TEMPLATE);
        if (text.isEmpty()) {
            return new PairForm.TokenizerRule();
        }
        return PairForm.Template.find(text.get())
                .orElseThrow(
                        () ->
                                keys.metadata()
                                        .wrong(
                                                TEMPLATE,
                                                text.get(),
                                                "a text with {query} and {document}"));
    }

    private float[] row() {
        WeightMatrix head = checkpoint.tensor(OUTPUT);
        List<String> labels = keys.metadata().texts(keys.key(LABELS)).orElse(List.of());
        boolean answers = labels.equals(List.of("yes", "no"));
        int hidden = checkpoint.config().hiddenSize();
        if (head.columns() != hidden || head.rows() != (answers ? 2 : 1)) {
            throw new CheckpointException(
                    "%s: tensor %s is [%d, %d] with the labels %s, a reranker has one score of %d components, or two rows with the labels [yes, no]"
                            .formatted(
                                    checkpoint.path(),
                                    OUTPUT,
                                    head.rows(),
                                    head.columns(),
                                    labels,
                                    hidden));
        }
        float[] row = ScoreHead.values(checkpoint, head.part(0, 1));
        if (answers) {
            float[] other = ScoreHead.values(checkpoint, head.part(1, 1));
            for (int i = 0; i < hidden; i++) {
                row[i] -= other[i];
            }
        }
        return row;
    }

    private float bias() {
        return checkpoint.has(BIAS) ? ScoreHead.values(checkpoint, BIAS, 1, 1)[0] : 0;
    }

    /// Returns the layer of the families that share the architecture `bert`.
    private ScoreLayer layer(EncoderConfig encoder) {
        if (!keys.architecture().equals("bert")) {
            throw keys.metadata()
                    .wrong(
                            "general.architecture",
                            keys.architecture(),
                            "bert or modern-bert: no other head of scores of an encoder is known");
        }
        if (!checkpoint.has(LAYER)) {
            throw new CheckpointException(
                    "%s: tensor %s is missing: the conversion left out the pooler of BERT, without which its scores are others; serve the folder"
                            .formatted(checkpoint.path(), LAYER));
        }
        return new ScoreLayer(
                dense(
                        encoder.tokenTypes() == 0
                                ? SentenceDense.Activation.RELU
                                : SentenceDense.Activation.TANH),
                Optional.empty());
    }

    private ScoreLayer modernLayer() {
        int hidden = checkpoint.config().hiddenSize();
        var norm =
                new ScoreLayer.Norm(
                        ScoreHead.values(checkpoint, "cls.norm.weight", hidden, 1),
                        optional("cls.norm.bias", hidden),
                        checkpoint.config().normEpsilon());
        return new ScoreLayer(dense(SentenceDense.Activation.GELU), Optional.of(norm));
    }

    private SentenceDense dense(SentenceDense.Activation activation) {
        int hidden = checkpoint.config().hiddenSize();
        return new SentenceDense(
                hidden,
                hidden,
                ScoreHead.values(checkpoint, LAYER, hidden, hidden),
                optional("cls.bias", hidden),
                activation);
    }

    private float[] optional(String name, int size) {
        return checkpoint.has(name) ? ScoreHead.values(checkpoint, name, size, 1) : new float[size];
    }

    private SentencePooling pooling() {
        String key = keys.key(POOLING);
        int number = keys.metadata().size(key).orElse(2);
        return GgufPooling.of(number)
                .filter(each -> each != SentencePooling.LAST)
                .orElseThrow(() -> keys.metadata().wrong(key, number, "1 (mean) or 2 (cls)"));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;

/// A reader of the head of an encoder that scores a query and a document which it reads together: a
/// `…ForSequenceClassification` with one label.
///
/// ```
/// score = w · tanh(pooler(first token)) + b                 BERT, gte
/// score = w · tanh(dense(first token)) + b                  RoBERTa, XLM-RoBERTa
/// score = w · relu(pre_classifier(first token)) + b         DistilBERT
/// score = w · norm(gelu(dense(first token or mean))) + b    ModernBERT
/// ```
///
/// @param config `config.json`
record EncoderScore(Checkpoint checkpoint, JsonObject config, SentenceDense.Activation activation) {
    private static final String INPUTS = "model_input_names";
    private static final String TYPED =
            "BertForSequenceClassification|(Bert|Electra|Deberta|DebertaV2)Tokenizer(Fast)?";
    private static final String POOLING = "classifier_pooling";
    private static final String FUNCTION = "classifier_activation";

    SentenceModel.Score read() {
        return switch (checkpoint.architecture()) {
            case "BertForSequenceClassification" ->
                    score(SentencePooling.CLS, plain("bert.pooler.dense"), "classifier");
            case "NewForSequenceClassification" ->
                    score(SentencePooling.CLS, plain("new.pooler.dense"), "classifier");
            case "DistilBertForSequenceClassification" ->
                    score(SentencePooling.CLS, distilled(), "classifier");
            case "RobertaForSequenceClassification", "XLMRobertaForSequenceClassification" ->
                    score(SentencePooling.CLS, plain("classifier.dense"), "classifier.out_proj");
            case "ModernBertForSequenceClassification" ->
                    score(modernPooling(), modern(), "classifier");
            default ->
                    throw config.wrong(
                            "architectures",
                            checkpoint.architecture(),
                            "a class whose head of one score is known");
        };
    }

    private SentenceModel.Score score(SentencePooling pooling, ScoreLayer layer, String name) {
        return new SentenceModel.Score(
                pooling,
                Optional.of(layer),
                ScoreHead.row(checkpoint, name + ".weight"),
                vector(name + ".bias", 1)[0],
                activation,
                new PairForm.TokenizerRule(),
                hasTokenTypes());
    }

    /// Returns whether tokens of the document get type 1: the model has one, and its tokenizer
    /// gives types, which its file says by their name or by its class.
    private boolean hasTokenTypes() {
        if (checkpoint.config().details().encoder().orElseThrow().tokenTypes() < 2) {
            return false;
        }
        Optional<JsonObject> tokenizer =
                JsonObject.readIfPresent(checkpoint.path().resolve("tokenizer_config.json"));
        List<String> inputs = tokenizer.map(each -> each.texts(INPUTS)).orElse(List.of());
        if (!inputs.isEmpty()) {
            return inputs.contains("token_type_ids");
        }
        // Without a class it is that of the model.
        return tokenizer
                .flatMap(each -> each.text("tokenizer_class"))
                .orElse(checkpoint.architecture())
                .matches(TYPED);
    }

    private ScoreLayer plain(String name) {
        return new ScoreLayer(dense(name, SentenceDense.Activation.TANH), Optional.empty());
    }

    private ScoreLayer distilled() {
        return new ScoreLayer(
                dense("pre_classifier", SentenceDense.Activation.RELU), Optional.empty());
    }

    private ScoreLayer modern() {
        int hidden = checkpoint.config().hiddenSize();
        var norm =
                new ScoreLayer.Norm(
                        vector("head.norm.weight", hidden),
                        biasOf("head.norm", hidden),
                        checkpoint.config().normEpsilon());
        String function = config.text(FUNCTION).orElse("gelu");
        SentenceDense.Activation activation =
                switch (function) {
                    case "gelu" -> SentenceDense.Activation.GELU;
                    case "relu" -> SentenceDense.Activation.RELU;
                    case "tanh" -> SentenceDense.Activation.TANH;
                    default -> throw config.wrong(FUNCTION, function, "gelu, relu or tanh");
                };
        return new ScoreLayer(dense("head.dense", activation), Optional.of(norm));
    }

    private SentencePooling modernPooling() {
        String pooling = config.text(POOLING).orElse("cls");
        return switch (pooling) {
            case "cls" -> SentencePooling.CLS;
            case "mean" -> SentencePooling.MEAN;
            default -> throw config.wrong(POOLING, pooling, "cls or mean");
        };
    }

    private SentenceDense dense(String name, SentenceDense.Activation function) {
        int hidden = checkpoint.config().hiddenSize();
        return new SentenceDense(
                hidden,
                hidden,
                ScoreHead.values(checkpoint, name + ".weight", hidden, hidden),
                biasOf(name, hidden),
                function);
    }

    private float[] biasOf(String name, int size) {
        return checkpoint.has(name + ".bias") ? vector(name + ".bias", size) : new float[size];
    }

    private float[] vector(String name, int size) {
        return ScoreHead.values(checkpoint, name, size, 1);
    }
}

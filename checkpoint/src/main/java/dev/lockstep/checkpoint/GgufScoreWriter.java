// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/// A writer of the head of a reranker: see [GgufScore].
///
/// A decoder's score is the sigmoid of one product. Readers of GGUF files take the softmax of two,
/// for yes and no: the product for no is 0.
record GgufScoreWriter(FolderCheckpoint source, String architecture, GgufHeader header) {
    private static final String CONFIG = "config.json";
    private static final String LAYER = "cls.";

    List<ExportedTensors.Exported> write(SentenceModel model, SentenceModel.Score score) {
        if (score.activation() != SentenceDense.Activation.SIGMOID) {
            throw lost("the function of the score is " + score.activation());
        }
        int hidden = score.weight().length;
        List<ExportedTensors.Exported> tensors = new ArrayList<>();
        if (source.config().details().encoder().isEmpty()) {
            header.putTexts(architecture + ".classifier.output_labels", List.of("yes", "no"));
            header.putTexts("tokenizer.chat_templates", List.of("rerank"));
            header.put("tokenizer.chat_template.rerank", template(model, score));
            tensors.add(matrix(GgufScore.OUTPUT, Arrays.copyOf(score.weight(), 2 * hidden), 2));
            return tensors;
        }
        tensors.addAll(layer(score));
        tensors.add(matrix(GgufScore.OUTPUT, score.weight(), 1));
        tensors.add(vector("cls.output.bias", new float[] {score.bias()}));
        return tensors;
    }

    /// Returns the text that joins a pair, with the instruction of the folder.
    private String template(SentenceModel model, SentenceModel.Score score) {
        String instruction =
                model.defaultPrompt()
                        .map(name -> model.prompts().getOrDefault(name, ""))
                        .orElse("");
        return switch (score.form()) {
            case PairForm.Template form -> form.of(instruction, "{query}", "{document}");
            case PairForm.Chat _ ->
                    throw lost(
                            "the chat template joins a query and a document: name their text in "
                                    + RerankerFile.NAME);
            case PairForm.TokenizerRule _ ->
                    throw lost(
                            "the tokenizer joins a query and a document: name their text in "
                                    + RerankerFile.NAME);
        };
    }

    private List<ExportedTensors.Exported> layer(SentenceModel.Score score) {
        ScoreLayer layer = score.layer().orElseThrow();
        SentenceDense dense = layer.dense();
        boolean modern = architecture.equals("modern-bert");
        if (!modern && !architecture.equals("bert")) {
            throw lost(source.architecture() + " computes scores");
        }
        boolean typed =
                source.config().details().encoder().map(EncoderConfig::tokenTypes).orElse(0) > 0;
        SentenceDense.Activation known =
                modern
                        ? SentenceDense.Activation.GELU
                        : typed ? SentenceDense.Activation.TANH : SentenceDense.Activation.RELU;
        if (dense.activation() != known) {
            throw lost("the function before the score is " + dense.activation());
        }
        List<ExportedTensors.Exported> tensors = new ArrayList<>();
        tensors.add(matrix(LAYER + "weight", dense.weight(), dense.outputs()));
        if (!modern || hasValues(dense.bias())) {
            tensors.add(vector(LAYER + "bias", dense.bias()));
        }
        layer.norm().ifPresent(norm -> tensors.addAll(norm(norm)));
        if (modern) {
            OptionalInt pooling = GgufPooling.numberOf(score.pooling());
            header.put(architecture + ".classifier.pooling_type", pooling.orElseThrow());
        }
        return tensors;
    }

    private static List<ExportedTensors.Exported> norm(ScoreLayer.Norm norm) {
        List<ExportedTensors.Exported> tensors = new ArrayList<>();
        tensors.add(vector("cls.norm.weight", norm.weight()));
        if (hasValues(norm.bias())) {
            tensors.add(vector("cls.norm.bias", norm.bias()));
        }
        return tensors;
    }

    private static boolean hasValues(float[] values) {
        for (float each : values) {
            if (each != 0) {
                return true;
            }
        }
        return false;
    }

    private static ExportedTensors.Exported matrix(String name, float[] values, int rows) {
        return ExportedTensors.Exported.of(name, values, rows, values.length / rows);
    }

    private static ExportedTensors.Exported vector(String name, float[] values) {
        return ExportedTensors.Exported.of(name, values, values.length, 1);
    }

    private CheckpointException lost(String what) {
        return GgufUse.lost(source.path(), CONFIG, what);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// A writer of what a folder says of embeddings and scores, as a GGUF file says it: see
/// [GgufPooling] and [GgufScore], which read it again.
///
/// @param architecture GGUF's name of it
/// @param model empty if the folder's files say nothing
record GgufUse(FolderCheckpoint source, String architecture, Optional<SentenceModel> model) {
    private static final String CONFIG = "config.json";
    private static final String MODULES = "modules.json";
    private static final String SETTINGS = "config_sentence_transformers.json";
    private static final String TRANSFORMER = "sentence_bert_config.json";
    private static final String WITH_DENSE = "gemma-embedding";
    private static final int MOST_DENSE = GgufPooling.DENSE.size();

    static GgufUse of(FolderCheckpoint source, String architecture) {
        SentenceModel model = source.sentenceModel();
        boolean saysNothing =
                model.equals(SentenceModel.NONE) && !Files.exists(source.path().resolve(MODULES));
        return new GgufUse(
                source, architecture, saysNothing ? Optional.empty() : Optional.of(model));
    }

    /// Returns the positions of the file: an encoder's limit of tokens takes the place of the
    /// context.
    ///
    /// @throws CheckpointException if a decoder has such a limit
    int contextLength() {
        int context = source.config().contextLength();
        if (model.isEmpty() || model.get().maxLength().isEmpty()) {
            return context;
        }
        int limit = model.get().maxLength().getAsInt();
        if (source.config().details().encoder().isEmpty()) {
            throw lost(limitFile(), "inputs have at most %d tokens".formatted(limit));
        }
        return limit;
    }

    private String limitFile() {
        return JsonObject.readIfPresent(source.path().resolve(TRANSFORMER))
                        .filter(each -> each.has("max_seq_length"))
                        .isPresent()
                ? TRANSFORMER
                : "tokenizer_config.json";
    }

    /// Writes the keys and returns the tensors that follow pooling.
    ///
    /// @throws CheckpointException if the files say what a GGUF file does not
    List<ExportedTensors.Exported> write(GgufHeader header) {
        if (model.isEmpty()) {
            return List.of();
        }
        return switch (model.get().output()) {
            case SentenceModel.Vectors vectors -> {
                requireNoDefaultPrompt();
                List<ExportedTensors.Exported> dense = dense(header, vectors.dense());
                put(header, number(vectors));
                yield dense;
            }
            case SentenceModel.Score score -> {
                put(header, GgufScore.RANK);
                yield new GgufScoreWriter(source, architecture, header).write(model.get(), score);
            }
        };
    }

    private void put(GgufHeader header, int number) {
        header.put(architecture + "." + GgufPooling.KEY, number);
    }

    /// Returns whether the token that ends a text is the tokenizer's and not the configuration's:
    /// of a model that embeds texts, whose last token may have another id than what it generates.
    boolean endsAsTokenizer() {
        return source.config().details().encoder().isPresent()
                || model.map(SentenceModel::output).orElse(null) instanceof SentenceModel.Vectors;
    }

    /// Refuses what depends on the tokenizer of the file.
    ///
    /// @param metadata of the file with its tokenizer
    void requireTokenizer(GgufMetadata metadata) {
        boolean wordPiece = metadata.text("tokenizer.ggml.model").equals(Optional.of("bert"));
        // WordPiece of GGUF files has lower case alone.
        if (model.isPresent() && model.get().lowerCase() && !wordPiece) {
            throw lost(TRANSFORMER, "do_lower_case is true");
        }
        if (model.isPresent() && model.get().output() instanceof SentenceModel.Score score) {
            int types =
                    source.config().details().encoder().map(EncoderConfig::tokenTypes).orElse(0);
            if (score.tokenTypes() != (types > 1 && wordPiece)) {
                throw lost(
                        CONFIG,
                        "documents have %s token type".formatted(score.tokenTypes() ? "a" : "no"));
            }
        }
    }

    /// Returns lines about what the file does not have and what changes nothing without being asked
    /// for.
    List<String> notes() {
        List<String> notes = new ArrayList<>();
        boolean vectors =
                model.map(SentenceModel::output).orElse(null) instanceof SentenceModel.Vectors;
        List<String> prompts =
                model.map(SentenceModel::prompts).orElse(Map.of()).entrySet().stream()
                        .filter(each -> vectors && !each.getValue().isEmpty())
                        .map(Map.Entry::getKey)
                        .toList();
        if (!prompts.isEmpty()) {
            notes.add(
                    "a GGUF file has no prompts: texts must begin with those of %s themselves (%s)"
                            .formatted(SETTINGS, String.join(", ", prompts)));
        }
        if (contextLength() < source.config().contextLength()) {
            notes.add(
                    "the file has %d positions, the most tokens of %s: longer texts are refused or cut as requests ask"
                            .formatted(contextLength(), limitFile()));
        }
        if (model.map(SentenceModel::output).orElse(null)
                        instanceof SentenceModel.Score(_, _, _, _, _, PairForm.Template form, _)
                && form.hasInstruction()) {
            notes.add("a GGUF file has one instruction for all pairs: that of the folder");
        }
        return notes;
    }

    private void requireNoDefaultPrompt() {
        SentenceModel own = model.orElseThrow();
        if (own.defaultPrompt().isPresent()
                && !own.prompts().getOrDefault(own.defaultPrompt().get(), "").isEmpty()) {
            throw lost(SETTINGS, "default_prompt_name is " + own.defaultPrompt().get());
        }
    }

    private int number(SentenceModel.Vectors vectors) {
        int number =
                GgufPooling.numberOf(vectors.pooling())
                        .orElseThrow(
                                () -> lost(MODULES, "the pooling is " + vectors.pooling().mode()));
        if (!vectors.includePrompt()) {
            throw lost(MODULES, "prompts are not pooled");
        }
        if (!vectors.normalize()) {
            throw lost(MODULES, "vectors are not normalised");
        }
        if (vectors.similarity() != SentenceSimilarity.COSINE) {
            throw lost(
                    SETTINGS,
                    "similarity_fn_name is "
                            + vectors.similarity().name().toLowerCase(Locale.ROOT));
        }
        return number;
    }

    private List<ExportedTensors.Exported> dense(GgufHeader header, List<SentenceDense> layers) {
        if (!layers.isEmpty() && !architecture.equals(WITH_DENSE)) {
            throw lost(MODULES, "vectors have a Dense layer");
        }
        if (layers.size() > MOST_DENSE) {
            throw lost(MODULES, "vectors have %d Dense layers".formatted(layers.size()));
        }
        List<ExportedTensors.Exported> tensors = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            SentenceDense layer = layers.get(i);
            if (layer.activation() != SentenceDense.Activation.IDENTITY || hasBias(layer)) {
                throw lost(MODULES, "a Dense layer has a bias or an activation");
            }
            String name = GgufPooling.DENSE.get(i);
            String key = architecture + "." + name.replace(".weight", "");
            header.put(key + "_feat_in", layer.inputs());
            header.put(key + "_feat_out", layer.outputs());
            tensors.add(
                    ExportedTensors.Exported.of(
                            name, layer.weight(), layer.outputs(), layer.inputs()));
        }
        return tensors;
    }

    private static boolean hasBias(SentenceDense layer) {
        for (float each : layer.bias()) {
            if (each != 0) {
                return true;
            }
        }
        return false;
    }

    private CheckpointException lost(String file, String what) {
        return lost(source.path(), file, what);
    }

    static CheckpointException lost(Path folder, String file, String what) {
        return new CheckpointException(
                "%s: %s; a GGUF file does not say it".formatted(folder.resolve(file), what));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// What a GGUF file says of a model's use for embeddings: the number of a pooling, whose vectors
/// are normalised.
final class GgufPooling {
    /// The name of the key after the architecture.
    static final String KEY = "pooling_type";

    /// Those of the numbers 1 to 3.
    private static final List<SentencePooling> NUMBERED =
            List.of(SentencePooling.MEAN, SentencePooling.CLS, SentencePooling.LAST);

    private static final List<String> DENSE = List.of("dense_2.weight", "dense_3.weight");
    private static final String CONFIG = "config.json";
    private static final String MODULES = "modules.json";
    private static final String SETTINGS = "config_sentence_transformers.json";
    private static final String TRANSFORMER = "sentence_bert_config.json";

    private final Path folder;

    private GgufPooling(Path folder) {
        this.folder = folder;
    }

    /// Returns the pooling of a number; empty for one that is not served.
    static Optional<SentencePooling> of(int number) {
        return number >= 1 && number <= NUMBERED.size()
                ? Optional.of(NUMBERED.get(number - 1))
                : Optional.empty();
    }

    /// Returns the linear layers after pooling, which files of EmbeddingGemma may have as tensors.
    static List<SentenceDense> dense(Checkpoint checkpoint) {
        List<SentenceDense> layers = new ArrayList<>();
        int size = checkpoint.config().hiddenSize();
        for (String name : DENSE) {
            if (checkpoint.has(name)) {
                int outputs = checkpoint.tensor(name).rows();
                layers.add(
                        new SentenceDense(
                                size,
                                outputs,
                                ScoreHead.values(checkpoint, name, outputs, size),
                                new float[outputs],
                                SentenceDense.Activation.IDENTITY));
                size = outputs;
            }
        }
        return layers;
    }

    /// Returns the number for a folder; empty if its files say nothing of embeddings.
    ///
    /// @throws CheckpointException if they say what a GGUF file does not
    static OptionalInt numberOf(Checkpoint folder) {
        SentenceModel model = folder.sentenceModel();
        boolean saysNothing =
                model.equals(SentenceModel.NONE) && !Files.exists(folder.path().resolve(MODULES));
        return saysNothing
                ? OptionalInt.empty()
                : OptionalInt.of(new GgufPooling(folder.path()).number(folder, model));
    }

    private int number(Checkpoint checkpoint, SentenceModel model) {
        int number =
                switch (model.output()) {
                    case SentenceModel.Vectors vectors -> number(vectors);
                    case SentenceModel.Score _ -> throw lostScore(checkpoint);
                };
        for (Map.Entry<String, String> prompt : model.prompts().entrySet()) {
            if (!prompt.getValue().isEmpty()) {
                throw lost(SETTINGS, "prompts.%s is given".formatted(prompt.getKey()));
            }
        }
        if (model.maxLength().isPresent()) {
            boolean own =
                    JsonObject.readIfPresent(folder.resolve(TRANSFORMER))
                            .filter(each -> each.has("max_seq_length"))
                            .isPresent();
            throw lost(
                    own ? TRANSFORMER : "tokenizer_config.json",
                    "inputs have at most %d tokens".formatted(model.maxLength().getAsInt()));
        }
        if (model.lowerCase()) {
            throw lost(TRANSFORMER, "do_lower_case is true");
        }
        return number;
    }

    private int number(SentenceModel.Vectors vectors) {
        int index = NUMBERED.indexOf(vectors.pooling());
        if (index < 0) {
            throw lost(MODULES, "the pooling is " + vectors.pooling().mode());
        }
        if (!vectors.includePrompt()) {
            throw lost(MODULES, "prompts are not pooled");
        }
        if (!vectors.dense().isEmpty()) {
            throw lost(MODULES, "vectors have a Dense layer");
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
        return index + 1;
    }

    /// Names the file that makes the model a reranker: see [SentenceFiles#read].
    private CheckpointException lostScore(Checkpoint checkpoint) {
        String scores = "the model computes scores";
        if (Files.exists(folder.resolve(RerankerFile.NAME))) {
            return lost(RerankerFile.NAME, scores);
        }
        if (JsonObject.read(folder.resolve(CONFIG)).has(RerankerFile.TOKENS)) {
            return lost(CONFIG, RerankerFile.TOKENS + " is given, " + scores);
        }
        return checkpoint.isClassifier()
                ? lost(CONFIG, "%s computes scores".formatted(checkpoint.architecture()))
                : lost(MODULES, scores);
    }

    private CheckpointException lost(String file, String what) {
        return new CheckpointException(
                "%s: %s; a GGUF file says only whether normalised vectors are the mean, cls or last one of the tokens"
                        .formatted(folder.resolve(file), what));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/// A reader of a folder's sentence-transformers files.
final class SentenceFiles {
    /// What a chat template has that tells the messages of a query and a document apart.
    private static final Pattern PAIRED =
            Pattern.compile("(?s)(['\"])query\\1.*(['\"])document\\2");

    private final Path folder;
    private final Checkpoint checkpoint;
    private final Optional<JsonObject> settings;
    private final Optional<JsonObject> transformer;

    private SentenceFiles(Path folder, Checkpoint checkpoint) {
        this.folder = folder;
        this.checkpoint = checkpoint;
        this.settings =
                JsonObject.readIfPresent(folder.resolve("config_sentence_transformers.json"));
        this.transformer = JsonObject.readIfPresent(folder.resolve("sentence_bert_config.json"));
    }

    /// Reads the files; [SentenceModel#NONE] if there are none and the model has no head of scores.
    ///
    /// @throws CheckpointException naming what is not supported
    static SentenceModel read(Path folder, Checkpoint checkpoint) {
        var files = new SentenceFiles(folder, checkpoint);
        Path described = folder.resolve(RerankerFile.NAME);
        if (Files.exists(described)) {
            return RerankerFile.read(described).of(checkpoint, files.activation());
        }
        Optional<JsonObject> tokens =
                JsonObject.readIfPresent(files.configFile())
                        .filter(each -> each.has(RerankerFile.TOKENS));
        if (tokens.isPresent()) {
            return files.scoredBy(tokens.get());
        }
        Optional<SentenceModules> modules = SentenceModules.of(folder);
        if (checkpoint.isClassifier()) {
            if (modules.isPresent() && !modules.get().isTransformerAlone()) {
                throw new CheckpointException(
                        "%s: modules after a Transformer that is a %s are not supported"
                                .formatted(
                                        folder.resolve("modules.json"), checkpoint.architecture()));
            }
            return files.model(files.classifier());
        }
        return modules.map(files::model).orElse(SentenceModel.NONE);
    }

    private SentenceModel.Score classifier() {
        return checkpoint.config().details().encoder().isPresent()
                ? new EncoderScore(checkpoint, JsonObject.read(configFile()), activation()).read()
                : ScoreHead.ofClassifier(checkpoint, activation(), form());
    }

    private Path configFile() {
        return folder.resolve("config.json");
    }

    private SentenceModel model(SentenceModules modules) {
        if (modules.isTransformerAlone()) {
            throw new CheckpointException(
                    "%s names a Transformer alone, whose vectors of single tokens are not served: a Pooling module must follow"
                            .formatted(folder.resolve("modules.json")));
        }
        Optional<JsonObject> scored = modules.tokenScore();
        if (scored.isPresent()) {
            return model(ScoreHead.ofTokens(scored.get(), checkpoint, activation(), form()));
        }
        if (readsChats()) {
            throw transformer
                    .get()
                    .wrong("modality_config.message", "given", "text alone: no vectors of chats");
        }
        return model(modules.vectors(checkpoint.config().hiddenSize(), similarity()));
    }

    /// Returns the model of a configuration that names the tokens whose logits are the score, as
    /// vLLM's overrides do.
    private SentenceModel scoredBy(JsonObject config) {
        if (config.flag("is_original_qwen3_reranker").orElse(false)) {
            return RerankerFile.QWEN3.of(checkpoint, activation());
        }
        List<String> tokens = RerankerFile.tokens(config);
        String method = tokens.size() == 2 ? "from_2_way_softmax" : "no_post_processing";
        String given = config.text("method").orElse(method);
        if (!given.equals(method)) {
            throw config.wrong("method", given, method + " for " + tokens);
        }
        return model(
                RerankerFile.score(
                        checkpoint, config.file().toString(), tokens, activation(), form()));
    }

    private PairForm form() {
        return readsChats() || PAIRED.matcher(chatTemplate()).find()
                ? new PairForm.Chat()
                : new PairForm.TokenizerRule();
    }

    private String chatTemplate() {
        return checkpoint.tokenizer().chatTemplate().map(TokenizerSource.Template::text).orElse("");
    }

    /// Whether the transformer reads conversations; files before there was the key: texts.
    private boolean readsChats() {
        return transformer
                .flatMap(config -> config.object("modality_config"))
                .filter(modalities -> modalities.has("message"))
                .isPresent();
    }

    private SentenceModel model(SentenceModel.Output output) {
        Map<String, String> prompts = prompts();
        Optional<String> name = settings.flatMap(each -> each.text("default_prompt_name"));
        if (name.isPresent() && !prompts.containsKey(name.get())) {
            throw settings.get()
                    .wrong("default_prompt_name", name.get(), "one of " + prompts.keySet());
        }
        return new SentenceModel(
                output,
                prompts,
                name,
                maxLength(),
                transformer.flatMap(each -> each.flag("do_lower_case")).orElse(false));
    }

    private Map<String, String> prompts() {
        Map<String, String> prompts = new LinkedHashMap<>();
        settings.flatMap(each -> each.object("prompts"))
                .ifPresent(
                        all ->
                                all.entries()
                                        .forEach(
                                                entry ->
                                                        prompts.put(
                                                                entry.getKey(),
                                                                all.text(entry.getKey())
                                                                        .orElse(""))));
        return prompts;
    }

    /// Returns the limit of the file, or that of the tokenizer; empty if neither is below the
    /// context.
    private OptionalInt maxLength() {
        OptionalInt own = limit(transformer, "max_seq_length");
        OptionalInt limit =
                own.isPresent()
                        ? own
                        : limit(
                                JsonObject.readIfPresent(folder.resolve("tokenizer_config.json")),
                                "model_max_length");
        return limit.isPresent() && limit.getAsInt() < checkpoint.config().contextLength()
                ? limit
                : OptionalInt.empty();
    }

    /// A tokenizer without a limit has an enormous one.
    private static OptionalInt limit(Optional<JsonObject> config, String key) {
        if (config.isEmpty() || config.get().number(key).orElse(1e30) > Integer.MAX_VALUE) {
            return OptionalInt.empty();
        }
        int limit = config.get().requireInteger(key);
        if (limit < 1) {
            throw config.get().wrong(key, limit, "at least 1");
        }
        return OptionalInt.of(limit);
    }

    private SentenceSimilarity similarity() {
        Optional<String> name = settings.flatMap(each -> each.text("similarity_fn_name"));
        return name.isEmpty()
                ? SentenceSimilarity.COSINE
                : SentenceSimilarity.of(name.get())
                        .orElseThrow(
                                () ->
                                        settings.get()
                                                .wrong(
                                                        "similarity_fn_name",
                                                        name.get(),
                                                        "cosine, dot, euclidean or manhattan"));
    }

    /// Returns the function of a score, that of sentence-transformers if no file names one.
    private SentenceDense.Activation activation() {
        Optional<JsonObject> config = JsonObject.readIfPresent(configFile());
        Optional<String> name =
                settings.flatMap(each -> each.text("activation_fn"))
                        .or(
                                () ->
                                        config.flatMap(each -> each.object("sentence_transformers"))
                                                .flatMap(each -> each.text("activation_fn")))
                        .or(
                                () ->
                                        config.flatMap(
                                                each ->
                                                        each.text(
                                                                "sbert_ce_default_activation_function")));
        return name.map(
                        each ->
                                SentenceDense.Activation.of(each)
                                        .orElseThrow(
                                                () ->
                                                        new CheckpointException(
                                                                "%s: activation_fn is %s, expected Identity, Tanh, ReLU, Sigmoid or GELU of torch"
                                                                        .formatted(folder, each))))
                .orElse(SentenceDense.Activation.SIGMOID);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.PairForm;
import dev.lockstep.checkpoint.RopeConfig;
import dev.lockstep.checkpoint.RopeScaling;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TensorInfo;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.launch.StartScreen;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.KvCapacity;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
import dev.lockstep.model.StateShard;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.EndTokens;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import dev.lockstep.text.tools.AnswerFormat;
import dev.lockstep.worker.MemoryPlan;
import dev.lockstep.worker.WorkerConfig;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// What `inspect` prints of a model: configuration, KV groups, ranks, tensors. A model that `serve`
/// would refuse is described as far as it can be read.
final class Inspection {
    private final StringBuilder text = new StringBuilder();
    private final Checkpoint checkpoint;
    private final DeviceCapabilities device;
    private Optional<Tokenizer> tokenizer = Optional.empty();
    private Optional<String> refusal = Optional.empty();

    private Inspection(Checkpoint checkpoint, DeviceCapabilities device) {
        this.checkpoint = checkpoint;
        this.device = device;
    }

    /// Describes the model in a folder or file.
    ///
    /// @param ranks number of ranks that share the model
    /// @param kvDtype a value of `--kv-dtype`
    /// @param device the one that would run it
    static Inspection of(Path path, int ranks, String kvDtype, DeviceCapabilities device) {
        var inspection = new Inspection(ModelSource.openFiles(path), device);
        inspection.files();
        inspection.tried(inspection::tokenizer);
        inspection.answers();
        inspection.tried(
                () -> {
                    ModelSource source = ModelSource.open(path);
                    ComputeTypes types = source.computeTypes("auto", kvDtype, device);
                    inspection.configuration(source.config(), types);
                    inspection.ranks(source, ranks, types);
                });
        inspection.tensors();
        return inspection;
    }

    String text() {
        return text.toString();
    }

    /// Returns the line with which `serve` refuses the model.
    Optional<String> refusal() {
        return refusal;
    }

    /// Runs a check of `serve`, and describes its refusal.
    private void tried(Runnable check) {
        try {
            check.run();
        } catch (CheckpointException | IllegalArgumentException e) {
            String line = String.valueOf(e.getMessage());
            row("does not run", line);
            refusal = refusal.or(() -> Optional.of(line));
        }
    }

    private void tokenizer() {
        if (checkpoint.tokenizer().hasTokenizer()) {
            tokenizer = Optional.of(Tokenizers.of(checkpoint.tokenizer()));
        }
    }

    private void files() {
        row("model", checkpoint.path().toString());
        row(
                "text",
                "%s, %s"
                        .formatted(
                                checkpoint.tokenizer().hasTokenizer()
                                        ? "tokenizer"
                                        : "no tokenizer: token ids only",
                                checkpoint.tokenizer().chatTemplate().isPresent()
                                        ? "chat template"
                                        : "no chat template"));
        checkpoint.cut().ifPresent(line -> row("cut", line));
        if (checkpoint.tensorNames().isEmpty()) {
            row("tensors", "none: vocabulary only");
            return;
        }
        row(
                "parameters",
                "%,d in %d tensors, %s"
                        .formatted(
                                checkpoint.parameterCount(),
                                checkpoint.tensorNames().size(),
                                Terminal.bytes(checkpoint.byteSize())));
    }

    /// Describes how answers are written, as far as the chat template shows.
    private void answers() {
        switch (ModelTemplate.of(checkpoint.tokenizer(), tokenizer)) {
            case ModelTemplate.Usable(ChatTemplate template) ->
                    AnswerFormat.learn(template, Clock.systemUTC())
                            .describe()
                            .forEach(line -> row(line.getKey(), line.getValue()));
            case ModelTemplate.Broken(String fault) -> row("chat template", fault);
            case ModelTemplate.Missing() -> {
                // said beside the files
            }
        }
    }

    /// Describes what a model's files say about embeddings or ranking.
    private static String use(SentenceModel sentence) {
        String prompts =
                sentence.prompts().isEmpty()
                        ? ""
                        : ", prompts " + String.join(", ", sentence.prompts().keySet());
        String limit =
                sentence.maxLength().isPresent()
                        ? ", at most %,d tokens".formatted(sentence.maxLength().getAsInt())
                        : "";
        return switch (sentence.output()) {
            case SentenceModel.Vectors vectors ->
                    "%s pooling, %d linear layers, %s"
                                    .formatted(
                                            vectors.pooling().mode(),
                                            vectors.dense().size(),
                                            vectors.normalize() ? "normalized" : "not normalized")
                            + prompts
                            + limit;
            case SentenceModel.Score score ->
                    "a score of a query and a document, %s"
                                    .formatted(
                                            switch (score.form()) {
                                                case PairForm.Chat() ->
                                                        "joined by the chat template";
                                                case PairForm.TokenizerRule() ->
                                                        "joined by the tokenizer";
                                                case PairForm.Template _ ->
                                                        "joined by a template of its own";
                                            })
                            + prompts
                            + limit;
        };
    }

    private void configuration(ModelConfig config, ComputeTypes types) {
        row("architecture", config.architecture());
        checkpoint.otherModalities().ifPresent(line -> row("modalities", line));
        row(
                "shape",
                "%d layers, hidden %d, FFN %s, vocabulary %d, %s output"
                        .formatted(
                                config.layerCount(),
                                config.hiddenSize(),
                                feedForward(config),
                                config.vocabularySize(),
                                config.tiedEmbeddings()
                                        ? "tied"
                                        : checkpoint.hasOutputHead() ? "untied" : "no"));
        config.details()
                .layerInputs()
                .ifPresent(
                        inputs ->
                                row(
                                        "layer inputs",
                                        "%d for each token and layer, of the first %,d ids"
                                                .formatted(inputs.size(), inputs.vocabulary())));
        row(
                "attention",
                "%d heads, %d KV heads of %d%s%s%s"
                        .formatted(
                                config.attention().headCount(),
                                config.attention().kvHeadCount(),
                                config.attention().headDim(),
                                config.attention()
                                        .full()
                                        .map(
                                                full ->
                                                        ", %d of %d without a window"
                                                                .formatted(
                                                                        full.kvHeadCount(),
                                                                        full.headDim()))
                                        .orElse(""),
                                config.attention().latent().isPresent()
                                        ? ", latent, which has the values in the keys"
                                        : "",
                                config.attention().bias() ? ", with bias" : ""));
        row(
                "positions",
                "%,d%s, %s"
                        .formatted(
                                config.contextLength(),
                                config.maxContextLength() == config.contextLength()
                                        ? ""
                                        : " (--max-model-len up to %,d)"
                                                .formatted(config.maxContextLength()),
                                rope(config.rope())));
        SentenceModel sentence = checkpoint.sentenceModel();
        if (!sentence.equals(SentenceModel.NONE)) {
            row(
                    sentence.output() instanceof SentenceModel.Score ? "ranking" : "embeddings",
                    use(sentence));
        }
        row("norm epsilon", String.valueOf(config.normEpsilon()));
        row("weights", weights(types));
        row(
                "special ids",
                "BOS %s, end of text %s"
                        .formatted(
                                config.specialIds().bos().isPresent()
                                        ? config.specialIds().bos().getAsInt()
                                        : "none",
                                ends(config)));
        boolean encodes = config.details().encoder().isPresent();
        for (int i = 0; i < config.kvGroups().size(); i++) {
            KvGroup group = config.kvGroups().get(i);
            row(encodes ? "attends to" : "KV group " + i, encodes ? sides(group) : group(group));
        }
    }

    /// Formats the sizes of feed-forwards, such as `64, 128 in layers 2-3`.
    private static String feedForward(ModelConfig config) {
        Map<Integer, List<Integer>> others = new TreeMap<>();
        config.details()
                .feedForwardSizes()
                .forEach(
                        (layer, size) -> {
                            if (size != config.feedForwardSize()) {
                                others.computeIfAbsent(size, _ -> new ArrayList<>()).add(layer);
                            }
                        });
        var sizes = new StringBuilder().append(config.feedForwardSize());
        others.forEach(
                (size, layers) ->
                        sizes.append(", %d in layers ".formatted(size))
                                .append(spans(layers.stream().sorted().toList())));
        return sizes.toString();
    }

    /// Formats the end tokens, such as `2 "</s>", 4 "<|im_end|>"`.
    private String ends(ModelConfig config) {
        List<String> ends = new ArrayList<>();
        for (int id : EndTokens.of(config.specialIds(), config.vocabularySize(), tokenizer).ids()) {
            String piece =
                    tokenizer
                            .filter(text -> id < text.vocabularySize())
                            .map(text -> " \"" + text.piece(id) + "\"")
                            .orElse("");
            ends.add(id + piece);
        }
        return ends.isEmpty() ? "none" : String.join(", ", ends);
    }

    private static String rope(RopeConfig rope) {
        String scaling =
                rope.scaling() instanceof RopeScaling.None ? "no scaling" : rope.scaling() + "";
        return "rope theta %s over %d dimensions, %s"
                .formatted(rope.theta(), rope.rotaryDim(), scaling);
    }

    private String weights(ComputeTypes types) {
        String stored =
                checkpoint.matrixValues().keySet().stream()
                        .map(TensorType::name)
                        .collect(Collectors.joining(", "));
        return "matrices in %s, mostly %s: %s (%s)%s"
                .formatted(
                        stored,
                        types.weights(),
                        types.multiplied() == DType.I8
                                ? "multiplied by int8 activations"
                                : "computed in " + types.computeName(),
                        device.architecture(),
                        checkpoint.decodedMatrices().map(each -> "; " + each).orElse(""));
    }

    private static String group(KvGroup group) {
        String kind =
                switch (group.kind()) {
                    case FULL -> "every position";
                    case WINDOW -> "a window of %d positions".formatted(group.window());
                    case CHUNK -> "chunks of %d positions".formatted(group.window());
                    case STATE ->
                            "a state of %s a sequence, and of a snapshot"
                                    .formatted(
                                            Terminal.bytes(
                                                    StateShard.whole(group).floats()
                                                            * (long) Float.BYTES));
                };
        String readers =
                group.readers().isEmpty()
                        ? ""
                        : "; read by layers %s too".formatted(spans(group.readers()));
        return "%s, layers %s%s".formatted(kind, spans(group.layers()), readers);
    }

    /// Describes the layers of an encoder, which keep nothing.
    private static String sides(KvGroup group) {
        return "%s, layers %s"
                .formatted(
                        group.window() == 0
                                ? "every position, before and after"
                                : "%d positions on each side".formatted(group.window() - 1),
                        spans(group.layers()));
    }

    /// Formats numbers as ranges, such as `0-3, 5`.
    private static String spans(List<Integer> ascending) {
        var spans = new StringBuilder();
        for (int i = 0; i < ascending.size(); i++) {
            int first = ascending.get(i);
            while (i + 1 < ascending.size() && ascending.get(i + 1) == ascending.get(i) + 1) {
                i++;
            }
            int last = ascending.get(i);
            spans.append(spans.isEmpty() ? "" : ", ")
                    .append(first == last ? "" + first : first + "-" + last);
        }
        return spans.toString();
    }

    private void ranks(ModelSource source, int ranks, ComputeTypes types) {
        if (source.isGeneric()) {
            row("runs as", "a plain decoder: no model family has its architecture name");
        }
        source.requireLoadable(ranks);
        for (Shard shard : Shard.cut(source.config(), ranks)) {
            row(
                    "rank " + shard.rank(),
                    "%s; reads about %s, %s, %s of %,d tokens and %d sequences %s"
                            .formatted(
                                    shard.describe(source.config()),
                                    Terminal.bytes(source.storedWeightBytes(shard)),
                                    kv(source, shard, types),
                                    source.config().stateGroup().isPresent()
                                            ? "activations and states"
                                            : "activations",
                                    device.maxStepTokens(),
                                    MemoryPlan.DEFAULT_SEQUENCES,
                                    Terminal.bytes(
                                            source.activationBytes(
                                                    shard,
                                                    types,
                                                    WorkerConfig.BLOCK_SIZE,
                                                    device.maxStepTokens(),
                                                    MemoryPlan.DEFAULT_SEQUENCES))));
        }
    }

    private static String kv(ModelSource source, Shard shard, ComputeTypes types) {
        KvCapacity capacity =
                source.kvCapacity(
                        WorkerConfig.BLOCK_SIZE, source.kvBytesPerToken(shard, types.kv()));
        return capacity.kept()
                ? "KV %s a token in %s%s"
                        .formatted(
                                StartScreen.tokenBytes(capacity),
                                types.kvName(),
                                types.kv() == DType.FP8 ? ", " + scales(source) : "")
                : "no KV";
    }

    private static String scales(ModelSource source) {
        return source.hasCacheScales() ? "with the checkpoint's scales" : "without scales";
    }

    private void tensors() {
        if (checkpoint.tensorNames().isEmpty()) {
            return;
        }
        for (String name : checkpoint.tensorNames()) {
            TensorInfo info = checkpoint.tensorInfo(name).orElseThrow();
            text.append(
                    "%n%-52s %-7s %-18s %s"
                            .formatted(
                                    name,
                                    info.typeName(),
                                    info.shape(),
                                    Terminal.bytes(info.byteSize())));
        }
        text.append(System.lineSeparator());
    }

    private void row(String key, String value) {
        text.append("%-13s %s%n".formatted(key, value));
    }
}

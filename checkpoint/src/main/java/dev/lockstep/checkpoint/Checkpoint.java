// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/// A model on disk, with one interface for a Hugging Face folder and a GGUF file.
///
/// Tensors have their Hugging Face names in both. Files are mapped for the life of the process and
/// never closed; opening reads headers only. Thread-safe.
public abstract sealed class Checkpoint permits FolderCheckpoint, GgufCheckpoint, CutCheckpoint {
    /// The names of output heads that are not the embedding.
    static final List<String> OUTPUT_HEADS =
            List.of("lm_head.weight", "embed_out.weight", "output.weight");

    private final Path path;
    private final Map<String, StoredTensor> tensors;
    private final TokenizerSource tokenizer;

    Checkpoint(Path path, Map<String, StoredTensor> tensors, TokenizerSource tokenizer) {
        this.path = path;
        this.tensors = Collections.unmodifiableMap(tensors);
        this.tokenizer = tokenizer;
    }

    /// Opens a folder in Hugging Face layout or a `.gguf` file, and checks all of its headers and
    /// its configuration.
    ///
    /// @throws CheckpointException with one line for the user when it is missing, damaged or not
    ///   supported
    public static Checkpoint open(Path path) {
        Checkpoint checkpoint = openFiles(path);
        if (!checkpoint.tensorNames().isEmpty()) {
            checkpoint.config();
        }
        return checkpoint;
    }

    /// Opens like [#open], but a wrong configuration is refused only by [#config], so that an
    /// unknown [#architecture] can be refused first.
    public static Checkpoint openFiles(Path path) {
        if (Files.isDirectory(path)) {
            return CutLayout.isIn(path)
                    ? CutCheckpoint.openFolder(path)
                    : FolderCheckpoint.openFolder(path);
        }
        if (!Files.exists(path)) {
            throw new CheckpointException(
                    path + " does not exist: name a model folder or a .gguf file");
        }
        if (String.valueOf(path.getFileName()).endsWith(".safetensors")) {
            throw new CheckpointException(
                    path
                            + " is one file of a model: name the folder that holds it and config.json");
        }
        return GgufCheckpoint.openFile(path);
    }

    /// Returns the folder or file that was opened.
    public final Path path() {
        return path;
    }

    /// Returns the name of the architecture in the files: a class such as `LlamaForCausalLM`, or
    /// GGUF's `llama`.
    public abstract String architecture();

    /// Returns the class of the model in a folder, without opening its weights; empty if the folder
    /// has no readable configuration.
    public static Optional<String> architecture(Path path) {
        try {
            return JsonObject.readIfPresent(path.resolve("config.json"))
                    .map(config -> TextConfig.of(config).architecture());
        } catch (CheckpointException _) {
            return Optional.empty();
        }
    }

    /// Returns the checkpoint with the weights of one rank of a group. It is this one, unless the
    /// folder was cut for ranks.
    ///
    /// @throws CheckpointException if it was cut for another number of ranks, or files of the rank
    ///   are missing or damaged
    public Checkpoint ofRank(int rank, int size) {
        return this;
    }

    /// Returns for how many ranks the folder was cut; empty for a model that any number of ranks
    /// loads.
    public OptionalInt cutRanks() {
        return OptionalInt.empty();
    }

    /// Returns a line about the ranks and stages that the folder was cut for; empty for a model
    /// that any number of ranks loads.
    public Optional<String> cut() {
        return Optional.empty();
    }

    /// Returns a line about a model of several modalities of which only the text is served: its
    /// class and the tensors that stay on disk; empty for a model of text.
    public Optional<String> otherModalities() {
        return Optional.empty();
    }

    /// Returns the shape of the model.
    ///
    /// @throws CheckpointException for a wrong configuration, and for a GGUF file that holds a
    ///   vocabulary and no weights
    public abstract ModelConfig config();

    /// Returns the scales of keys and values in an FP8 cache.
    public CacheScales cacheScales() {
        return CacheScales.NONE;
    }

    /// Returns whether the files hold a base model, the part of a model that may have no output
    /// head.
    public boolean isBaseModel() {
        return false;
    }

    /// Returns whether the model ends in scores of a whole text instead of logits.
    public final boolean isClassifier() {
        return architecture().endsWith("ForSequenceClassification") || GgufScore.isIn(this);
    }

    /// Returns whether the model computes logits: by a head of its own, or by its embedding.
    public final boolean hasOutputHead() {
        return !isClassifier()
                && config().details().encoder().isEmpty()
                && (config().tiedEmbeddings() || OUTPUT_HEADS.stream().anyMatch(this::has));
    }

    /// Returns what the files say about embeddings and ranking.
    ///
    /// @throws CheckpointException naming what is not supported
    public abstract SentenceModel sentenceModel();

    /// Returns the keys of the configuration that may matter and that a plain decoder does not
    /// have; empty when [#config] covers the whole configuration.
    public abstract List<String> unexplainedKeys();

    /// Returns a hex digest of configuration and weights, equal on every host that has the same
    /// model. It reads headers and about 400 KiB of each file; [ModelDigest] describes what it
    /// covers.
    public abstract String digest();

    /// Returns a hex digest of the sizes of the files of weights and of when they were last written
    /// to. It tells apart what [#digest] does not: files that differ between its samples. Equal
    /// copies of a model may have different stamps.
    public abstract String stamp();

    /// Returns the model's tokenizer and chat template.
    public final TokenizerSource tokenizer() {
        return tokenizer;
    }

    /// Returns a hex digest of the tokenizer and chat template.
    public final String tokenizerDigest() {
        return tokenizer.digest();
    }

    /// Returns the names of all tensors, in the order of the files.
    public final Set<String> tensorNames() {
        return tensors.keySet();
    }

    public final boolean has(String name) {
        return tensors.containsKey(name);
    }

    /// Returns the description of one tensor, also when its type is not supported.
    public final Optional<TensorInfo> tensorInfo(String name) {
        return Optional.ofNullable(tensors.get(name)).map(tensor -> tensor.info(name));
    }

    /// Returns a tensor of the model as its file keeps it.
    final StoredTensor stored(String name) {
        return Optional.ofNullable(tensors.get(name)).orElseThrow(() -> missing(name));
    }

    /// Returns a whole tensor, if the model has it.
    public final Optional<WeightMatrix> findTensor(String name) {
        return Optional.ofNullable(tensors.get(name)).map(tensor -> tensor.weight(name));
    }

    /// Returns a whole tensor.
    ///
    /// @throws CheckpointException when it is missing or of a type that is not supported
    public final WeightMatrix tensor(String name) {
        return findTensor(name).orElseThrow(() -> missing(name));
    }

    private CheckpointException missing(String name) {
        return new CheckpointException(
                "%s: tensor %s is missing: the checkpoint is incomplete or of another architecture"
                        .formatted(path, name));
    }

    /// Refuses a checkpoint with weights of unsupported types, before anything is loaded. Integer
    /// tensors are accepted: they are masks and counters that no family reads.
    public final void requireSupportedTypes() {
        for (StoredTensor tensor : tensors.values()) {
            if (tensor.type().isEmpty() && !tensor.typeName().matches("BOOL|[UI](8|16|32|64)")) {
                throw tensor.unsupported();
            }
        }
    }

    /// Returns the number of values in all tensors.
    public final long parameterCount() {
        return tensors.entrySet().stream()
                .mapToLong(entry -> entry.getValue().info(entry.getKey()).valueCount())
                .sum();
    }

    /// Returns the number of values in all matrices, by the type they are stored in.
    public final Map<TensorType, Long> matrixValues() {
        Map<TensorType, Long> values = new EnumMap<>(TensorType.class);
        tensors.forEach(
                (name, tensor) -> {
                    if (tensor.type().isPresent() && tensor.shape().size() > 1) {
                        long count = tensor.info(name).valueCount();
                        values.merge(tensor.type().orElseThrow(), count, Long::sum);
                    }
                });
        return values;
    }

    /// Returns which matrices are decoded or repacked when they are loaded, for display; empty if
    /// none is. They take the memory of the type that they get.
    public final Optional<String> decodedMatrices() {
        Set<String> kinds = new TreeSet<>();
        for (StoredTensor tensor : tensors.values()) {
            if (tensor.decoder().isPresent() && tensor.held().isEmpty()) {
                TensorType type = tensor.type().orElseThrow();
                String verb = type.isQuantized() ? "repacked" : "decoded";
                kinds.add("%s %s to %s at load".formatted(tensor.typeName(), verb, type));
            }
        }
        return kinds.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", kinds));
    }

    /// Returns a matrix that was cut with its columns in the order of their groups, and not in
    /// their own.
    public final Optional<String> cutInGroupOrder() {
        return tensors.entrySet().stream()
                .filter(each -> each.getValue().held().isPresent())
                .filter(
                        each ->
                                each.getValue()
                                        .decoder()
                                        .flatMap(WeightDecoder::columnOrder)
                                        .isPresent())
                .map(Map.Entry::getKey)
                .findFirst();
    }

    /// Returns the bytes of all tensors.
    public final long byteSize() {
        return tensors.values().stream().mapToLong(StoredTensor::byteSize).sum();
    }

    /// Returns the supported type with the most bytes; F32 when there is none.
    static TensorType dominantType(Collection<StoredTensor> tensors) {
        Map<TensorType, Long> bytes = new EnumMap<>(TensorType.class);
        for (StoredTensor tensor : tensors) {
            tensor.type().ifPresent(type -> bytes.merge(type, tensor.data().byteSize(), Long::sum));
        }
        return bytes.entrySet().stream()
                .max(Map.Entry.comparingByValue())
                .map(Map.Entry::getKey)
                .orElse(TensorType.F32);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A GGUF file, or all files of a split model, opened by its first file.
///
/// A file with a vocabulary and no tensors opens too: it has a tokenizer and no configuration.
final class GgufCheckpoint extends Checkpoint {
    private static final String ARCHITECTURE = "general.architecture";
    private static final Pattern SPLIT = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

    private final List<GgufFile> files;
    private final ReadConfig config;

    private GgufCheckpoint(List<GgufFile> files, Map<String, StoredTensor> tensors) {
        GgufMetadata metadata = files.getFirst().metadata();
        ReadConfig read = ReadConfig.of(() -> config(metadata, tensors));
        super(
                files.getFirst().file().path(),
                read.config().map(config -> ordered(metadata, config, tensors)).orElse(tensors),
                new TokenizerSource.Gguf(metadata));
        this.files = files;
        this.config = read;
    }

    static GgufCheckpoint openFile(Path path) {
        return of(GgufFile.open(path));
    }

    static GgufCheckpoint of(GgufFile first) {
        List<GgufFile> files = new ArrayList<>();
        files.add(first);
        int count = first.metadata().size("split.count").orElse(1);
        for (int number = 2; number <= count; number++) {
            files.add(part(splitPath(first, number, count), number, count));
        }
        requireComplete(files);
        return new GgufCheckpoint(files, named(files));
    }

    /// Returns the metadata of the first file.
    GgufMetadata metadata() {
        return files.getFirst().metadata();
    }

    @Override
    public String architecture() {
        GgufMetadata metadata = files.getFirst().metadata();
        return metadata.text(ARCHITECTURE).orElseThrow(() -> metadata.missing(ARCHITECTURE));
    }

    @Override
    public boolean isBaseModel() {
        return isClassifier();
    }

    @Override
    public SentenceModel sentenceModel() {
        GgufMetadata metadata = metadata();
        String key = architecture() + "." + GgufPooling.KEY;
        int number = metadata.size(key).orElse(0);
        if (number == GgufScore.RANK || GgufScore.isIn(this)) {
            return new SentenceModel(
                    new GgufScore(this, new ArchitectureKeys(metadata, architecture())).read(),
                    Map.of(),
                    Optional.empty(),
                    OptionalInt.empty(),
                    false);
        }
        if (number == 0) {
            return SentenceModel.NONE;
        }
        SentencePooling pooling =
                GgufPooling.of(number)
                        .orElseThrow(
                                () -> metadata.wrong(key, number, "1 (mean), 2 (cls) or 3 (last)"));
        return SentenceModel.NONE.pooled(pooling, GgufPooling.dense(this));
    }

    @Override
    public ModelConfig config() {
        return config.require();
    }

    private static ModelConfig config(GgufMetadata metadata, Map<String, StoredTensor> tensors) {
        if (tensors.isEmpty()) {
            throw new CheckpointException(
                    metadata.path() + " holds a vocabulary without weights: name a complete model");
        }
        return GgufConfig.read(metadata, tensors);
    }

    /// Returns the architecture, because it determines how the heads of q and k are stored.
    @Override
    public List<String> unexplainedKeys() {
        return List.of(ARCHITECTURE);
    }

    @Override
    public String digest() {
        var digest = new ModelDigest("gguf");
        for (GgufFile file : files) {
            digest.file(file.file(), file.dataStart());
        }
        return digest.hex();
    }

    @Override
    public String stamp() {
        var digest = new ModelDigest("gguf stamp");
        files.forEach(file -> digest.stamp(file.file()));
        return digest.hex();
    }

    private static Path splitPath(GgufFile first, int number, int count) {
        Path path = first.file().path();
        Matcher name = SPLIT.matcher(String.valueOf(path.getFileName()));
        if (!name.matches()
                || Integer.parseInt(name.group(2)) != 1
                || Integer.parseInt(name.group(3)) != count) {
            throw new CheckpointException(
                    "%s is part of a model split into %d files: name the first, …-00001-of-%05d.gguf"
                            .formatted(path, count, count));
        }
        Path part =
                path.resolveSibling("%s-%05d-of-%05d.gguf".formatted(name.group(1), number, count));
        if (!Files.exists(part)) {
            throw new CheckpointException(
                    "%s is missing: %s is split into %d files, download all of them"
                            .formatted(part, path, count));
        }
        return part;
    }

    private static GgufFile part(Path path, int number, int count) {
        GgufFile part = GgufFile.open(path);
        int storedNumber = part.metadata().size("split.no").orElse(number - 1) + 1;
        int storedCount = part.metadata().size("split.count").orElse(count);
        if (storedNumber != number || storedCount != count) {
            throw new CheckpointException(
                    "%s is part %d of %d by its metadata and %d of %d by its name: download it again"
                            .formatted(path, storedNumber, storedCount, number, count));
        }
        return part;
    }

    private static void requireComplete(List<GgufFile> files) {
        GgufFile first = files.getFirst();
        int found = files.stream().mapToInt(file -> file.tensors().size()).sum();
        int expected = first.metadata().size("split.tensors.count").orElse(found);
        if (found != expected) {
            throw new CheckpointException(
                    "%s: split.tensors.count is %d, the %d files hold %d tensors: they are not of one model, download them again"
                            .formatted(first.file().path(), expected, files.size(), found));
        }
    }

    private static Map<String, StoredTensor> named(List<GgufFile> files) {
        String architecture = files.getFirst().metadata().text(ARCHITECTURE).orElse("");
        var names = new GgufNames(architecture);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (GgufFile file : files) {
            for (StoredTensor tensor : file.tensors().values()) {
                StoredTensor other = tensors.put(names.huggingFace(tensor.storedName()), tensor);
                if (other != null) {
                    throw new CheckpointException(
                            "%s: tensors %s and %s both map to %s: not a file of architecture %s, or damaged"
                                    .formatted(
                                            tensor.file(),
                                            other.storedName(),
                                            tensor.storedName(),
                                            names.huggingFace(tensor.storedName()),
                                            architecture));
                }
            }
        }
        tensors.putAll(XieluTensors.of(files.getFirst().metadata(), architecture));
        return tensors;
    }

    private static Map<String, StoredTensor> ordered(
            GgufMetadata metadata, ModelConfig config, Map<String, StoredTensor> tensors) {
        var names = new GgufNames(config.architecture());
        Map<String, StoredTensor> ordered = new LinkedHashMap<>();
        tensors.forEach(
                (name, tensor) -> {
                    boolean pairs = names.hasAdjacentPairs(name);
                    int headDim = config.attention().headDim();
                    if (pairs && tensor.shape().getFirst() % headDim != 0) {
                        throw new CheckpointException(
                                "%s: tensor %s has %d rows, not a whole number of heads of %d"
                                        .formatted(
                                                metadata.path(),
                                                tensor.storedName(),
                                                tensor.shape().getFirst(),
                                                headDim));
                    }
                    ordered.put(
                            name,
                            pairs ? tensor.withOrder(new RowOrder.AdjacentPairs(headDim)) : tensor);
                });
        return ordered;
    }
}

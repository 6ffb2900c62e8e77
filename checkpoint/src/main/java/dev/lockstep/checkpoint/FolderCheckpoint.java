// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// A folder in Hugging Face layout: `config.json` and safetensors, single or sharded.
final class FolderCheckpoint extends Checkpoint {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    private final Map<String, SafetensorsFile> files;
    private final TextConfig text;
    private final Optional<String> otherModalities;
    private final Map<String, StoredTensor> otherTensors;
    private final boolean baseModel;
    private final CacheScales cacheScales;
    private final ReadConfig config;

    private FolderCheckpoint(
            Path folder, Map<String, SafetensorsFile> files, Map<String, StoredTensor> stored) {
        JsonObject json = JsonObject.read(folder.resolve("config.json"));
        Decoded decoded = Decoded.of(json, folder, stored);
        TextConfig text = TextConfig.of(json);
        Optional<TextTensors> parts = text.whole().map(_ -> TextTensors.of(decoded.tensors()));
        Map<String, StoredTensor> named = parts.map(TextTensors::text).orElse(decoded.tensors());
        Map<String, StoredTensor> tensors = BaseNames.complete(named);
        super(folder, tensors, new TokenizerSource.Folder(folder));
        Optional<JsonObject> generation =
                JsonObject.readIfPresent(folder.resolve("generation_config.json"));
        this.files = files;
        this.text = text;
        this.cacheScales = decoded.scales();
        this.baseModel =
                text.architecture().endsWith("Model")
                        || isClassifier()
                        || !tensors.keySet().equals(named.keySet());
        this.otherTensors = parts.map(TextTensors::others).orElse(Map.of());
        this.otherModalities =
                parts.map(
                        each ->
                                "the text of %s alone; %s"
                                        .formatted(text.whole().orElseThrow(), each.left()));
        this.config =
                ReadConfig.of(
                        () -> {
                            decoded.requireReadable();
                            return HuggingFaceConfig.read(
                                    text,
                                    generation,
                                    tensors.keySet(),
                                    dominantType(tensors.values()));
                        });
    }

    /// The tensors with quantized layers in one tensor each, or as they are stored and the reason
    /// why their quantization cannot be read.
    private record Decoded(
            Map<String, StoredTensor> tensors,
            CacheScales scales,
            Optional<CheckpointException> failure) {

        static Decoded of(JsonObject json, Path folder, Map<String, StoredTensor> stored) {
            try {
                List<QuantizedFormat> formats = QuantizationConfig.formats(json, folder);
                return new Decoded(
                        formats.isEmpty() ? stored : QuantizedTensors.complete(stored, formats),
                        QuantizationConfig.calibratesFp8Cache(json, folder)
                                ? CacheScales.of(TextTensors.of(stored).text())
                                : CacheScales.NONE,
                        Optional.empty());
            } catch (CheckpointException e) {
                return new Decoded(stored, CacheScales.NONE, Optional.of(e));
            }
        }

        void requireReadable() {
            if (failure.isPresent()) {
                throw failure.get();
            }
        }
    }

    static FolderCheckpoint openFolder(Path folder) {
        if (!Files.exists(folder.resolve("config.json"))) {
            throw new CheckpointException(
                    folder
                            + " has no config.json: name a model folder in Hugging Face layout, or a .gguf file");
        }
        if (CutLayout.isIn(folder)) {
            throw new CheckpointException(folder + " is cut for ranks: convert the original model");
        }
        if (Files.exists(folder.resolve(INDEX))) {
            return sharded(folder);
        }
        if (!Files.exists(folder.resolve(SINGLE))) {
            throw new CheckpointException(
                    "%s has neither %s nor %s: download the model in safetensors format"
                            .formatted(folder, SINGLE, INDEX));
        }
        SafetensorsFile file = SafetensorsFile.open(folder.resolve(SINGLE));
        return new FolderCheckpoint(folder, Map.of(SINGLE, file), file.tensors());
    }

    @Override
    public String architecture() {
        return text.architecture();
    }

    @Override
    public Optional<String> otherModalities() {
        return otherModalities;
    }

    /// Returns the tensors that are not of the text, by their names in the file.
    Map<String, StoredTensor> otherTensors() {
        return otherTensors;
    }

    @Override
    public CacheScales cacheScales() {
        return cacheScales;
    }

    @Override
    public boolean isBaseModel() {
        return baseModel;
    }

    @Override
    public SentenceModel sentenceModel() {
        return SentenceFiles.read(path(), this);
    }

    @Override
    public ModelConfig config() {
        return config.require();
    }

    @Override
    public List<String> unexplainedKeys() {
        return ConfigKeys.unexplained(text.config());
    }

    @Override
    public String digest() {
        var digest = new ModelDigest("safetensors");
        digest.smallFile(path().resolve("config.json"));
        digest.smallFile(path().resolve("generation_config.json"));
        for (SafetensorsFile file : new TreeMap<>(files).values()) {
            digest.file(file.file(), file.dataStart());
        }
        return digest.hex();
    }

    @Override
    public String stamp() {
        var digest = new ModelDigest("safetensors stamp");
        new TreeMap<>(files).values().forEach(file -> digest.stamp(file.file()));
        return digest.hex();
    }

    private static FolderCheckpoint sharded(Path folder) {
        JsonObject index = JsonObject.read(folder.resolve(INDEX));
        JsonObject weightMap =
                index.object("weight_map").orElseThrow(() -> index.missing("weight_map"));
        Map<String, SafetensorsFile> shards = new LinkedHashMap<>();
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : weightMap.entries()) {
            String shardName = shardName(weightMap, entry);
            SafetensorsFile shard = shards.get(shardName);
            if (shard == null) {
                shard = openShard(folder, shardName, entry.getKey());
                shards.put(shardName, shard);
            }
            StoredTensor tensor = shard.tensors().get(entry.getKey());
            if (tensor == null) {
                throw new CheckpointException(
                        "%s: tensor %s is not in %s where the index says: download the model again"
                                .formatted(index.file(), entry.getKey(), shardName));
            }
            tensors.put(entry.getKey(), tensor);
        }
        return new FolderCheckpoint(folder, shards, tensors);
    }

    /// Returns a plain name of a file in the index's folder: an index must not make the process
    /// read any other file.
    private static String shardName(JsonObject weightMap, Map.Entry<String, JsonNode> entry) {
        String name = entry.getValue().isTextual() ? entry.getValue().textValue() : "";
        if (!name.matches("[A-Za-z0-9_][A-Za-z0-9._-]*\\.safetensors")) {
            throw weightMap.wrong(
                    entry.getKey(),
                    entry.getValue(),
                    "the name of a .safetensors file in the same folder");
        }
        return name;
    }

    private static SafetensorsFile openShard(Path folder, String shardName, String tensor) {
        Path path = folder.resolve(shardName);
        if (!Files.exists(path) && Files.exists(folder.resolve(SINGLE))) {
            throw new CheckpointException(
                    "%s names %s, which is missing, and %s is there: remove the index if %s is the whole model"
                            .formatted(folder.resolve(INDEX), shardName, SINGLE, SINGLE));
        }
        if (!Files.exists(path)) {
            throw new CheckpointException(
                    "%s: shard %s is missing (the index needs it for %s): download the model again"
                            .formatted(folder, shardName, tensor));
        }
        return SafetensorsFile.open(path);
    }
}

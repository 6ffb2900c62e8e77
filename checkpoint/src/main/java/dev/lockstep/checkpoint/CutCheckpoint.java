// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;

/// A folder that was cut for a number of ranks: each of them reads the files of its own and those
/// of what all have whole.
///
/// Without a rank it describes the model and has what is whole on every rank, norms and embeddings
/// for example; reading another matrix is refused.
final class CutCheckpoint extends Checkpoint {
    private final CutLayout layout;
    private final List<SafetensorsFile> shared;
    private final TextConfig text;
    private final CacheScales cacheScales;
    private final ReadConfig config;
    private final Map<Integer, CutCheckpoint> ranks;

    private CutCheckpoint(
            Path folder,
            CutLayout layout,
            List<SafetensorsFile> shared,
            List<SafetensorsFile> own,
            Map<Integer, CutCheckpoint> ranks) {
        List<SafetensorsFile> files = new ArrayList<>(shared);
        files.addAll(own);
        Map<String, StoredTensor> tensors = HeldTensors.of(layout.tensors(), files);
        super(folder, tensors, new TokenizerSource.Folder(folder));
        this.layout = layout;
        this.shared = shared;
        this.ranks = ranks;
        this.text = TextConfig.of(JsonObject.read(folder.resolve("config.json")));
        this.cacheScales = CacheScales.ofFiles(shared);
        Optional<JsonObject> generation =
                JsonObject.readIfPresent(folder.resolve("generation_config.json"));
        this.config =
                ReadConfig.of(
                        () ->
                                HuggingFaceConfig.read(
                                        text, generation, tensors.keySet(), layout.weightType()));
    }

    static CutCheckpoint openFolder(Path folder) {
        CutLayout layout = CutLayout.read(folder);
        if (!CutLayout.digestOfConfig(folder).equals(layout.config())) {
            throw new CheckpointException(
                    "%s is not the one with which the folder was cut: restore it, or convert the original model again"
                            .formatted(folder.resolve("config.json")));
        }
        List<SafetensorsFile> shared = open(folder, layout.files(OptionalInt.empty()));
        if (shared.isEmpty()) {
            throw new CheckpointException(
                    "%s names no file of what all ranks have alike"
                            .formatted(folder.resolve(CutLayout.FILE)));
        }
        return new CutCheckpoint(folder, layout, shared, List.of(), new ConcurrentHashMap<>());
    }

    private static List<SafetensorsFile> open(Path folder, List<CutFile> files) {
        return files.stream().map(each -> each.open(folder)).toList();
    }

    @Override
    public Checkpoint ofRank(int rank, int size) {
        if (size != layout.ranks()) {
            throw new CheckpointException(
                    "%s was cut for %d ranks, not %d: use --tensor-parallel=%d, or convert the original model for %d"
                            .formatted(path(), layout.ranks(), size, layout.ranks(), size));
        }
        return ranks.computeIfAbsent(
                rank,
                own ->
                        new CutCheckpoint(
                                path(),
                                layout,
                                shared,
                                open(path(), layout.files(OptionalInt.of(own))),
                                ranks));
    }

    @Override
    public OptionalInt cutRanks() {
        return OptionalInt.of(layout.ranks());
    }

    @Override
    public Optional<String> cut() {
        return Optional.of(
                "for %d ranks, in %d stages that begin with layers %s"
                        .formatted(layout.ranks(), layout.stages(), layout.layers()));
    }

    @Override
    public String architecture() {
        return text.architecture();
    }

    @Override
    public Optional<String> otherModalities() {
        return layout.otherModalities();
    }

    @Override
    public CacheScales cacheScales() {
        return cacheScales;
    }

    @Override
    public boolean isBaseModel() {
        return layout.baseModel();
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

    /// Returns a digest that is equal for all ranks: it covers the digests of all files.
    @Override
    public String digest() {
        var digest = new ModelDigest("cut safetensors");
        for (String name : List.of("config.json", "generation_config.json", CutLayout.FILE)) {
            digest.smallFile(path().resolve(name));
        }
        return digest.hex();
    }

    /// Returns a stamp of the files that are here: those of other ranks may be on their hosts.
    @Override
    public String stamp() {
        var digest = new ModelDigest("cut safetensors stamp");
        for (CutFile each : layout.files()) {
            Path file = path().resolve(each.name());
            if (Files.exists(file)) {
                digest.stamp(MappedFile.open(file));
            }
        }
        return digest.hex();
    }
}

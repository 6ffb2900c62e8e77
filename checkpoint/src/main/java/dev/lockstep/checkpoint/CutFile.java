// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;

/// A file of weights in a folder that was cut for ranks.
///
/// @param stage whose layers it has
/// @param rank whose parts it has; empty for what all ranks have alike
/// @param digest see [#digest]
record CutFile(String name, int stage, OptionalInt rank, long bytes, String digest) {

    /// Returns the name of a file.
    static String name(int stage, int stages, OptionalInt rank, int ranks) {
        String ofStage = "model-stage-%d-of-%d".formatted(stage, stages);
        return rank.isEmpty()
                ? ofStage + ".safetensors"
                : "%s-rank-%d-of-%d.safetensors".formatted(ofStage, rank.getAsInt(), ranks);
    }

    /// Returns a digest of the header and of samples of the data.
    static String digest(SafetensorsFile file) {
        var digest = new ModelDigest("cut file");
        digest.file(file.file(), file.dataStart());
        return digest.hex();
    }

    /// Describes a complete file.
    static CutFile of(Path path, int stage, OptionalInt rank) {
        SafetensorsFile file = SafetensorsFile.open(path);
        return new CutFile(
                String.valueOf(path.getFileName()), stage, rank, file.file().size(), digest(file));
    }

    /// Opens the file and compares it with what was written.
    ///
    /// @throws CheckpointException naming it if it is missing or another one
    SafetensorsFile open(Path folder) {
        Path path = folder.resolve(name);
        String content =
                rank.isPresent()
                        ? "the part of rank %d in stage %d".formatted(rank.getAsInt(), stage)
                        : "what all ranks have alike in stage %d".formatted(stage);
        if (!Files.exists(path)) {
            throw new CheckpointException(
                    "%s is missing: it has %s; copy it from where the model was converted"
                            .formatted(path, content));
        }
        SafetensorsFile file = SafetensorsFile.open(path);
        if (file.file().size() != bytes || !digest(file).equals(digest)) {
            throw new CheckpointException(
                    "%s is not the file that %s describes: it is damaged or of another conversion; copy it again"
                            .formatted(path, CutLayout.FILE));
        }
        return file;
    }
}

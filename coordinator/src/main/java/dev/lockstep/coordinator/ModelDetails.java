// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.TensorInfo;
import java.nio.file.Files;
import java.util.Locale;
import java.util.Optional;

/// What a model's files are, for lists of models.
///
/// @param format `safetensors` or `gguf`
/// @param encoder whether tokens attend to later ones too, so that one step computes all of an
///   input
/// @param weightType of most of the weights, such as `BF16`
/// @param bytes of all weights
/// @param digest hexadecimal, of the configuration and the weights
record ModelDetails(
        String format,
        String architecture,
        boolean encoder,
        String weightType,
        long parameters,
        long bytes,
        String digest) {

    /// The details of a model that has no files.
    static final ModelDetails NONE = new ModelDetails("", "", false, "", 0, 0, "");

    static ModelDetails of(Checkpoint checkpoint) {
        long bytes =
                checkpoint.tensorNames().stream()
                        .map(checkpoint::tensorInfo)
                        .flatMap(Optional::stream)
                        .mapToLong(TensorInfo::byteSize)
                        .sum();
        return new ModelDetails(
                Files.isDirectory(checkpoint.path()) ? "safetensors" : "gguf",
                checkpoint.architecture(),
                checkpoint.config().details().encoder().isPresent(),
                checkpoint.config().weightType().name(),
                checkpoint.parameterCount(),
                bytes,
                checkpoint.digest());
    }

    /// Returns the number of parameters in words: `134.5M`.
    String parameterSize() {
        double billions = parameters / 1e9;
        return billions >= 1
                ? String.format(Locale.ROOT, "%.1fB", billions)
                : String.format(Locale.ROOT, "%.1fM", parameters / 1e6);
    }
}

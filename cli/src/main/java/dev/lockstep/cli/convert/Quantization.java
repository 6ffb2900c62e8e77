// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.quant.GroupFormat;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Predicate;

/// What matrices become, and with it the form of the model.
public sealed interface Quantization {

    /// Returns the file that exists once a model is converted.
    Path complete(Path target);

    /// Opens the model to be written.
    ///
    /// @param kept which matrices stay as they are
    /// @param origin what the data depends on besides the source
    ConvertedModel open(Path source, Path target, Predicate<WeightMatrix> kept, String origin);

    /// Blocks of GGUF, in a GGUF file.
    record Gguf(Target type) implements Quantization {
        @Override
        public Path complete(Path target) {
            return target;
        }

        @Override
        public ConvertedModel open(
                Path source, Path target, Predicate<WeightMatrix> kept, String origin) {
            return GgufModel.open(source, target, type, kept, origin);
        }

        @Override
        public String toString() {
            return type.word();
        }
    }

    /// Integers in groups of columns, in a folder in Hugging Face layout.
    record Integers(GroupFormat format) implements Quantization {
        @Override
        public Path complete(Path target) {
            return target.resolve("model.safetensors");
        }

        @Override
        public ConvertedModel open(
                Path source, Path target, Predicate<WeightMatrix> kept, String origin) {
            return FolderModel.open(source, target, format, kept, origin);
        }

        @Override
        public String toString() {
            return "int%d in groups of %d".formatted(format.bits(), format.columns());
        }
    }

    /// Returns the quantization of a name such as `q4_k` or `int4`.
    ///
    /// @param groupSize of integers
    static Optional<Quantization> of(String word, int groupSize) {
        return switch (word) {
            case "int4" -> Optional.of(new Integers(new GroupFormat(4, groupSize)));
            case "int8" -> Optional.of(new Integers(new GroupFormat(8, groupSize)));
            default -> Target.of(word).map(Gguf::new);
        };
    }

    /// Returns all names, separated by bars.
    static String words() {
        return Target.words() + "|int4|int8";
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.model.quant.Smoothing;
import java.nio.file.Path;
import java.util.Optional;

/// What matrices become, and with it the form of the model.
public sealed interface Quantization {

    /// Returns the file that exists once a model is converted.
    Path complete(Path target);

    /// Refuses a model that is not converted to this, before texts are computed.
    ///
    /// @param kept which matrices stay as they are
    default void requireConvertible(Path source, KeptTensors kept) {}

    /// Opens the model to be written.
    ///
    /// @param kept which matrices stay as they are
    /// @param scales that are fixed, if [#needsScales]
    /// @param origin what the data depends on besides the source
    ConvertedModel open(
            Path source,
            Path target,
            KeptTensors kept,
            Optional<StaticScales> scales,
            String origin);

    /// Returns whether scales are fixed by texts before anything is written.
    default boolean needsScales() {
        return false;
    }

    /// Blocks of GGUF, in a GGUF file.
    record Gguf(Target type) implements Quantization {
        @Override
        public Path complete(Path target) {
            return target;
        }

        @Override
        public ConvertedModel open(
                Path source,
                Path target,
                KeptTensors kept,
                Optional<StaticScales> scales,
                String origin) {
            return GgufModel.open(source, target, type, kept, origin);
        }

        @Override
        public String toString() {
            return type.word();
        }
    }

    /// A folder in Hugging Face layout, as compressed-tensors stores it.
    ///
    /// @param cacheScales whether keys and values get fixed scales
    record Folder(CompressedLayout layout, boolean cacheScales) implements Quantization {
        public Folder(CompressedLayout layout) {
            this(layout, false);
        }

        @Override
        public boolean needsScales() {
            return cacheScales || layout.hasFixedInputs();
        }

        @Override
        public Path complete(Path target) {
            return target.resolve("model.safetensors");
        }

        @Override
        public ConvertedModel open(
                Path source,
                Path target,
                KeptTensors kept,
                Optional<StaticScales> scales,
                String origin) {
            return FolderModel.open(source, target, layout, kept, scales, cacheScales, origin);
        }

        @Override
        public void requireConvertible(Path source, KeptTensors kept) {
            FolderModel.requireConvertible(source, layout, kept);
        }

        @Override
        public String toString() {
            return layout + (cacheScales ? ", and of keys and values" : "");
        }
    }

    /// A folder with weights and activations of 8 bits, whose inputs were smoothed for it by
    /// SmoothQuant.
    ///
    /// @param smoothing of all layers; each has its own, which is searched, if it is empty
    record Smoothed(Optional<Smoothing> smoothing) implements Quantization {
        private static final Folder FOLDER = new Folder(new CompressedLayout.Int8Rows());

        public Smoothed(Smoothing smoothing) {
            this(Optional.of(smoothing));
        }

        @Override
        public Path complete(Path target) {
            return FOLDER.complete(target);
        }

        @Override
        public ConvertedModel open(
                Path source,
                Path target,
                KeptTensors kept,
                Optional<StaticScales> scales,
                String origin) {
            return FOLDER.open(source, target, kept, scales, origin);
        }

        @Override
        public void requireConvertible(Path source, KeptTensors kept) {
            FOLDER.requireConvertible(source, kept);
        }

        @Override
        public String toString() {
            return "%s with alpha %s"
                    .formatted(
                            SMOOTHED,
                            smoothing
                                    .map(each -> String.valueOf(each.alpha()))
                                    .orElse("of each layer"));
        }
    }

    /// The name of [Smoothed].
    String SMOOTHED = "smoothquant-w8a8";

    /// Returns the quantization of a name such as `q4_k` or `int4`.
    ///
    /// @param groupSize of integers in groups
    /// @param alpha of SmoothQuant
    static Optional<Quantization> of(String word, int groupSize, float alpha) {
        return switch (word) {
            case "int4" -> Optional.of(new Folder(new CompressedLayout.Groups(4, groupSize)));
            case "int8" -> Optional.of(new Folder(new CompressedLayout.Groups(8, groupSize)));
            case "fp8" -> Optional.of(new Folder(new CompressedLayout.Fp8()));
            case "mxfp4" -> Optional.of(new Folder(new CompressedLayout.Mxfp4()));
            case SMOOTHED -> Optional.of(new Smoothed(new Smoothing(alpha)));
            default -> Target.of(word).map(Gguf::new);
        };
    }

    /// Returns all names, separated by bars.
    static String words() {
        return Target.words() + "|int4|int8|fp8|mxfp4|" + SMOOTHED;
    }
}

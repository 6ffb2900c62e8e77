// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.GgufExport;
import dev.lockstep.checkpoint.GgufHeader;
import dev.lockstep.checkpoint.GgufMetadata;
import dev.lockstep.checkpoint.GgufRewrite;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.quant.RowFormat;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.FolderVocabulary;
import dev.lockstep.text.Tokenizers;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;

/// A GGUF file.
///
/// @param notes see [ConvertedModel#notes]
record GgufModel(Path target, GgufRewrite rewrite, List<Tensor> tensors, List<String> notes)
        implements ConvertedModel {

    /// @param kept which matrices stay as they are
    static GgufModel open(
            Path source,
            Path target,
            Target quantize,
            Predicate<WeightMatrix> kept,
            String origin) {
        Function<WeightMatrix, Optional<TensorType>> types =
                matrix -> kept.test(matrix) ? Optional.empty() : type(quantize, matrix);
        GgufRewrite rewrite =
                Files.isDirectory(source)
                        ? export(source, target, quantize, types, origin)
                        : GgufRewrite.open(
                                source, target, types, quantize.fileType(TensorType.F32), origin);
        List<Tensor> tensors =
                rewrite.tensors().stream()
                        .map(
                                each ->
                                        new Tensor(
                                                each.name(),
                                                each.source(),
                                                each.order(),
                                                each.added(),
                                                each.type().map(RowFormat::of)))
                        .toList();
        List<String> notes = Files.isDirectory(source) ? GgufExport.notes(source) : List.of();
        return new GgufModel(target, rewrite, tensors, notes);
    }

    private static GgufRewrite export(
            Path source,
            Path target,
            Target quantize,
            Function<WeightMatrix, Optional<TensorType>> types,
            String origin) {
        ModelSource model = ModelSource.open(source);
        return GgufExport.open(
                source,
                target,
                types,
                quantize.fileType(model.config().weightType()),
                origin,
                header -> describe(source, model, header));
    }

    /// Writes what a file says of its text: nothing for a folder without a tokenizer.
    private static void describe(Path source, ModelSource model, GgufHeader header) {
        header.put("general.name", String.valueOf(source.toAbsolutePath().getFileName()));
        if (model.tokenizer() instanceof TokenizerSource.Folder folder && folder.hasTokenizer()) {
            FolderVocabulary.of(
                            folder,
                            model.config().vocabularySize(),
                            GgufExport.architecture(Checkpoint.open(source)))
                    .writeTo(header);
            requireSameFraming(folder, header.metadata(source));
            folder.chatTemplate()
                    .ifPresent(template -> header.put("tokenizer.chat_template", template.text()));
        }
    }

    /// Refuses a vocabulary that begins or ends texts with other tokens, as the file has ids from
    /// the configuration too.
    private static void requireSameFraming(TokenizerSource.Folder folder, GgufMetadata written) {
        var framed = new EncodeOptions(false, true);
        int[] expected = Tokenizers.of(folder).encode("a", framed);
        int[] actual = Tokenizers.of(new TokenizerSource.Gguf(written)).encode("a", framed);
        if (!Arrays.equals(expected, actual)) {
            throw new CheckpointException(
                    "%s: the tokenizer encodes \"a\" as %s; a GGUF file with the ids of config.json as %s"
                            .formatted(
                                    written.path(),
                                    Arrays.toString(expected),
                                    Arrays.toString(actual)));
        }
    }

    private static Optional<TensorType> type(Target quantize, WeightMatrix matrix) {
        return quantize.typeOf(matrix.columns())
                .filter(type -> matrix.columns() % type.blockSize() == 0);
    }

    @Override
    public int done() {
        return rewrite.done();
    }

    @Override
    public void copy(int tensor) {
        rewrite.copy(tensor);
    }

    @Override
    public Blocks begin(int tensor) {
        return new Blocks() {
            private long written;

            @Override
            public void add(byte[] blocks) {
                rewrite.write(tensor, written, MemorySegment.ofArray(blocks));
                written += blocks.length;
            }

            @Override
            public void end() {}
        };
    }

    @Override
    public void finish() {
        rewrite.finish();
    }

    @Override
    public String summary() {
        Map<TensorType, Integer> types = new TreeMap<>();
        rewrite.tensors()
                .forEach(
                        each ->
                                types.merge(
                                        each.type().orElse(each.source().type()), 1, Integer::sum));
        return "%s: %s, tensors by type %s"
                .formatted(target, Terminal.bytes(target.toFile().length()), types);
    }

    @Override
    public void close() {
        rewrite.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.GgufRewrite;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.model.quant.BlockFormat;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/// A GGUF file.
record GgufModel(Path target, GgufRewrite rewrite, List<Tensor> tensors) implements ConvertedModel {

    /// @param kept which matrices stay as they are
    static GgufModel open(
            Path source,
            Path target,
            Target quantize,
            Predicate<WeightMatrix> kept,
            String origin) {
        GgufRewrite rewrite =
                GgufRewrite.open(
                        source,
                        target,
                        matrix -> kept.test(matrix) ? Optional.empty() : type(quantize, matrix),
                        quantize.fileType(),
                        origin);
        List<Tensor> tensors =
                rewrite.tensors().stream()
                        .map(
                                each ->
                                        new Tensor(
                                                each.name(),
                                                each.source(),
                                                each.type().map(BlockFormat::of)))
                        .toList();
        return new GgufModel(target, rewrite, tensors);
    }

    private static Optional<TensorType> type(Target quantize, WeightMatrix matrix) {
        TensorType type = quantize.typeOf(matrix.columns());
        return matrix.columns() % type.blockSize() == 0 ? Optional.of(type) : Optional.empty();
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

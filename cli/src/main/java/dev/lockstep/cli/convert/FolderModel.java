// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.FolderRewrite;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.quant.GroupFormat;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/// A folder in Hugging Face layout. Matrices of layers become integers, apart from those whose rows
/// are no whole groups; embeddings and the head stay.
record FolderModel(Path target, FolderRewrite rewrite, GroupFormat format, List<Tensor> tensors)
        implements ConvertedModel {
    private static final Pattern LINEAR = Pattern.compile(".*\\.layers\\.\\d+\\..*\\.weight");

    /// @param kept which matrices stay as they are
    static FolderModel open(
            Path source,
            Path target,
            GroupFormat format,
            Predicate<WeightMatrix> kept,
            String origin) {
        FolderRewrite rewrite =
                FolderRewrite.open(
                        source,
                        target,
                        new FolderRewrite.Groups(format.bits(), format.columns()),
                        matrix ->
                                LINEAR.matcher(matrix.name()).matches()
                                        && matrix.columns() % format.columns() == 0
                                        && !kept.test(matrix),
                        origin);
        List<Tensor> tensors =
                rewrite.tensors().stream()
                        .map(
                                each ->
                                        new Tensor(
                                                each.name(),
                                                each.source(),
                                                new RowOrder.AsIs(),
                                                0,
                                                each.quantized()
                                                        ? Optional.of(format)
                                                        : Optional.empty()))
                        .toList();
        return new FolderModel(target, rewrite, format, tensors);
    }

    @Override
    public int done() {
        return rewrite.done();
    }

    @Override
    public void copy(int tensor) {
        rewrite.copy(rewrite.tensors().get(tensor));
    }

    @Override
    public Blocks begin(int tensor) {
        FolderRewrite.Tensor written = rewrite.tensors().get(tensor);
        var scales = new ByteArrayOutputStream();
        return new Blocks() {
            private long offset;

            @Override
            public void add(byte[] blocks) {
                int codeBytes = format.codeBytes();
                int count = blocks.length / format.blockBytes();
                byte[] codes = new byte[count * codeBytes];
                for (int i = 0; i < count; i++) {
                    int at = i * format.blockBytes();
                    scales.write(blocks, at, Short.BYTES);
                    System.arraycopy(blocks, at + Short.BYTES, codes, i * codeBytes, codeBytes);
                }
                rewrite.write(written, offset, codes);
                offset += codes.length;
            }

            @Override
            public void end() {
                rewrite.end(written, scales.toByteArray());
            }
        };
    }

    @Override
    public void finish() {
        rewrite.finish();
    }

    @Override
    public String summary() {
        long quantized = tensors.stream().filter(each -> each.format().isPresent()).count();
        return "%s: %d tensors as integers of %d bits in groups of %d, %d as they are"
                .formatted(
                        target,
                        quantized,
                        format.bits(),
                        format.columns(),
                        tensors.size() - quantized);
    }

    @Override
    public void close() {
        rewrite.close();
    }
}

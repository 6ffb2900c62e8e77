// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.FolderRewrite;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.quant.CodedFormat;
import dev.lockstep.model.quant.FloatFormat;
import dev.lockstep.model.quant.GroupFormat;
import dev.lockstep.model.quant.RowFormat;
import dev.lockstep.model.quant.SignedRowFormat;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/// A folder in Hugging Face layout. Matrices of layers are quantized, apart from those whose rows
/// are no whole groups; embeddings and the head stay.
record FolderModel(
        Path target,
        FolderRewrite rewrite,
        CompressedLayout layout,
        List<Tensor> tensors,
        KeptTensors kept,
        Optional<StaticScales> scales)
        implements ConvertedModel {
    private static final Pattern LINEAR =
            Pattern.compile("(.*\\.)?(layers?|h)\\.\\d+\\..*\\.weight");

    /// Its folders have matrices as `[inputs, outputs]`.
    private static final String TRANSPOSED = "GPT2LMHeadModel";

    /// @param kept which matrices stay as they are
    /// @param scales that are fixed, if there are any
    /// @param cache whether keys and values have such scales
    static FolderModel open(
            Path source,
            Path target,
            CompressedLayout layout,
            KeptTensors kept,
            Optional<StaticScales> scales,
            boolean cache,
            String origin) {
        Predicate<WeightMatrix> quantized = quantized(layout, kept);
        if (layout.hasFixedInputs()) {
            requireScales(source, quantized, scales.orElseThrow());
        }
        FolderRewrite rewrite =
                FolderRewrite.open(
                        source,
                        target,
                        layout,
                        quantized,
                        cache ? scales.orElseThrow().ofCaches() : Map.of(),
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
                                                        ? Optional.<RowFormat>of(
                                                                format(layout, each.source()))
                                                        : Optional.empty()))
                        .toList();
        return new FolderModel(target, rewrite, layout, tensors, kept, scales);
    }

    /// Refuses a source that is not converted, before texts are computed with it.
    static void requireConvertible(Path source, CompressedLayout layout, KeptTensors kept) {
        String architecture = Checkpoint.open(source).architecture();
        if (architecture.equals(TRANSPOSED)) {
            throw new CheckpointException(
                    "%s: %s has transposed matrices, which are not quantized"
                            .formatted(source, architecture));
        }
        FolderRewrite.requireRewritable(source, layout, quantized(layout, kept));
    }

    /// Returns the largest size of groups, up to [Conversion#GROUP_SIZE], that divides the rows of
    /// all matrices of layers, apart from rows that no size divides.
    ///
    /// @param kept which matrices stay as they are
    static int largestGroups(Path source, Predicate<WeightMatrix> kept) {
        return FolderRewrite.chosen(source, matrix -> isOfLayer(matrix) && !kept.test(matrix))
                .stream()
                .mapToInt(matrix -> Integer.lowestOneBit(matrix.columns()))
                .filter(size -> size >= CompressedLayout.Groups.SMALLEST)
                .map(size -> Math.min(size, Conversion.GROUP_SIZE))
                .min()
                .orElse(Conversion.GROUP_SIZE);
    }

    private static Predicate<WeightMatrix> quantized(
            CompressedLayout layout, Predicate<WeightMatrix> kept) {
        return matrix ->
                isOfLayer(matrix)
                        && matrix.columns() % layout.groupSize(matrix) == 0
                        && !kept.test(matrix);
    }

    private static boolean isOfLayer(WeightMatrix matrix) {
        return LINEAR.matcher(matrix.name()).matches();
    }

    /// Refuses a matrix whose inputs are not seen, before anything is written.
    private static void requireScales(
            Path source, Predicate<WeightMatrix> quantized, StaticScales scales) {
        FolderRewrite.chosen(source, quantized).forEach(each -> scales.ofInput(each.name()));
    }

    private static CodedFormat format(CompressedLayout layout, WeightMatrix matrix) {
        int columns = layout.groupSize(matrix);
        return switch (layout) {
            case CompressedLayout.Groups groups ->
                    new GroupFormat(groups.bits(), columns, groups.zeroPoints());
            case CompressedLayout.Int8Rows _ -> new SignedRowFormat(columns);
            case CompressedLayout.Fp8 fp8 -> FloatFormat.fp8(columns, fp8.scaleType(matrix));
            case CompressedLayout.Mxfp4 _ -> FloatFormat.mxfp4(columns);
        };
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
        if (!written.quantized()) {
            return plain(written);
        }
        CodedFormat format = format(layout, written.source());
        var rows = new ByteArrayOutputStream();
        return new Blocks() {
            private long offset;

            @Override
            public void add(byte[] blocks) {
                int codeBytes = format.codeBytes();
                int count = blocks.length / format.blockBytes();
                byte[] codes = new byte[count * codeBytes];
                for (int i = 0; i < count; i++) {
                    int at = i * format.blockBytes();
                    rows.write(blocks, at, format.scaleBytes());
                    System.arraycopy(
                            blocks, at + format.scaleBytes(), codes, i * codeBytes, codeBytes);
                }
                rewrite.write(written, offset, codes);
                offset += codes.length;
            }

            @Override
            public void end() {
                rewrite.end(written, rest(written, format, rows.toByteArray()));
            }
        };
    }

    /// Returns what a matrix has besides its codes.
    ///
    /// @param factors of each block, as the format writes them
    private byte[][] rest(FolderRewrite.Tensor written, CodedFormat format, byte[] factors) {
        if (layout.hasFixedInputs()) {
            return new byte[][] {factors, inputScale(written)};
        }
        if (!(layout instanceof CompressedLayout.Groups groups) || !groups.zeroPoints()) {
            return new byte[][] {factors};
        }
        int width = format.scaleBytes();
        int count = factors.length / width;
        byte[] scales = new byte[Short.BYTES * count];
        byte[] zeros = new byte[count];
        for (int i = 0; i < count; i++) {
            System.arraycopy(factors, i * width, scales, Short.BYTES * i, Short.BYTES);
            zeros[i] = factors[i * width + Short.BYTES];
        }
        return new byte[][] {scales, groups.packedZeros(zeros, written.source())};
    }

    private byte[] inputScale(FolderRewrite.Tensor written) {
        return FolderRewrite.stored(
                layout.scaleType(written.source()),
                scales.orElseThrow().ofInput(written.source().name()));
    }

    private Blocks plain(FolderRewrite.Tensor written) {
        return new Blocks() {
            private long offset;

            @Override
            public void add(byte[] blocks) {
                rewrite.write(written, offset, blocks);
                offset += blocks.length;
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
        long quantized = tensors.stream().filter(each -> each.format().isPresent()).count();
        var unchanged = new UnchangedBytes();
        for (Tensor each : tensors) {
            if (each.format().isEmpty()) {
                unchanged.add(reason(each.source()), each.source().bytes());
            }
        }
        unchanged.add("of other modalities", rewrite.otherBytes());
        return "%s: %d tensors as %s, %d as they are (%s)"
                .formatted(target, quantized, layout, tensors.size() - quantized, unchanged);
    }

    private String reason(WeightMatrix matrix) {
        return kept.reason(matrix)
                .orElseGet(
                        () ->
                                isOfLayer(matrix)
                                        ? "rows that are not whole groups of %d columns"
                                                .formatted(layout.groupSize(matrix))
                                        : "embeddings, heads and others outside of layers");
    }

    @Override
    public void close() {
        rewrite.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// A folder in Hugging Face layout that is written with the files of another one, some of its
/// matrices as compressed-tensors stores them.
///
/// `model.safetensors` appears when it is complete. Until then it is `model.safetensors.partial`,
/// and a rewrite that finds one with an equal header goes on after its last whole tensor: the
/// header names what the data depends on.
public final class FolderRewrite implements AutoCloseable {
    private static final String WEIGHTS = "model.safetensors";
    private static final String SUFFIX = ".weight";

    /// Bytes of rows that are taken out of a tensor at once.
    private static final long PIECE = 1 << 24;

    private static final float SMALLEST_F16 = 0x1p-24f;
    private static final float LARGEST_F16 = 65504;

    private final Path source;
    private final Path target;
    private final CompressedLayout layout;
    private final List<Tensor> tensors;
    private final Map<String, StoredTensor> others;
    private final boolean cacheScales;
    private final List<MemorySegment> last;
    private final PartialFile file;

    /// A tensor of the source, or what one expert has of a tensor of all.
    ///
    /// @param storedName its name in the file
    /// @param piece the number of the first of its pieces in the file
    /// @param pieces in the file: codes, scales and what else a quantized matrix has
    public record Tensor(
            String name,
            String storedName,
            WeightMatrix source,
            boolean quantized,
            int piece,
            int pieces) {}

    private FolderRewrite(
            Path source,
            Path target,
            CompressedLayout layout,
            List<Tensor> tensors,
            Map<String, StoredTensor> others,
            boolean cacheScales,
            List<MemorySegment> last,
            PartialFile file) {
        this.source = source;
        this.target = target;
        this.layout = layout;
        this.tensors = tensors;
        this.others = others;
        this.cacheScales = cacheScales;
        this.last = last;
        this.file = file;
    }

    /// Opens the target and writes its header, or finds how far an earlier rewrite came.
    ///
    /// @param quantized chooses matrices whose names end with `.weight` and whose columns are whole
    ///   groups
    /// @param cacheScales the scales of keys and values, by the names of their tensors; none for a
    ///   cache that is not calibrated
    /// @param origin everything else that the data depends on, such as settings
    public static FolderRewrite open(
            Path source,
            Path target,
            CompressedLayout layout,
            Predicate<WeightMatrix> quantized,
            Map<String, Float> cacheScales,
            String origin) {
        FolderCheckpoint checkpoint = rewritable(source, layout, quantized);
        var header = new SafetensorsHeader();
        List<Tensor> tensors = new ArrayList<>();
        for (FolderTensor each : new FolderTensors(checkpoint, quantized).all()) {
            boolean isQuantized = quantized.test(each.matrix());
            int piece = header.pieceCount();
            if (isQuantized) {
                add(header, each.storedName(), layout.parts(each.matrix()));
            } else {
                header.add(each.storedName(), each.typeName(), each.shape(), each.matrix().bytes());
            }
            tensors.add(
                    new Tensor(
                            each.name(),
                            each.storedName(),
                            each.matrix(),
                            isQuantized,
                            piece,
                            header.pieceCount() - piece));
        }
        List<MemorySegment> last = new ArrayList<>();
        checkpoint
                .otherTensors()
                .forEach(
                        (name, tensor) -> {
                            header.add(name, tensor.typeName(), tensor.shape(), tensor.byteSize());
                            last.add(tensor.data());
                        });
        TensorType type = plain(checkpoint.config().weightType());
        cacheScales.forEach(
                (name, scale) -> {
                    byte[] stored = stored(type, scale);
                    header.add(
                            storedName(checkpoint, name), type.name(), List.of(1L), stored.length);
                    last.add(MemorySegment.ofArray(stored));
                });
        try {
            Files.createDirectories(target);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        byte[] start = header.bytes(checkpoint.digest() + " " + origin, Map.of());
        return new FolderRewrite(
                source,
                target,
                layout,
                tensors,
                checkpoint.otherTensors(),
                !cacheScales.isEmpty(),
                last,
                PartialFile.open(target.resolve(WEIGHTS), start, header.pieceBytes(), 1));
    }

    /// Refuses a source that is not rewritten, before anything is computed for it.
    ///
    /// @param quantized see [#open]
    public static void requireRewritable(
            Path source, CompressedLayout layout, Predicate<WeightMatrix> quantized) {
        rewritable(source, layout, quantized);
    }

    /// Returns the matrices of a folder that are chosen, those of single experts among them.
    ///
    /// @param quantized see [#open]
    public static List<WeightMatrix> chosen(Path source, Predicate<WeightMatrix> quantized) {
        return new FolderTensors(FolderCheckpoint.openFolder(source), quantized).chosen();
    }

    private static FolderCheckpoint rewritable(
            Path source, CompressedLayout layout, Predicate<WeightMatrix> quantized) {
        FolderCheckpoint checkpoint = FolderCheckpoint.openFolder(source);
        for (String name : checkpoint.tensorNames()) {
            if (checkpoint.tensor(name).decoder().isPresent()) {
                throw new CheckpointException(
                        "%s: tensor %s is quantized already: convert the original model"
                                .formatted(source, name));
            }
        }
        if (new FolderTensors(checkpoint, quantized).chosen().isEmpty()) {
            throw new CheckpointException(
                    "%s: no matrix would be quantized as %s: all are kept, or no row of a layer's matrices is whole groups"
                            .formatted(source, layout));
        }
        return checkpoint;
    }

    private static void add(
            SafetensorsHeader header, String stored, List<CompressedLayout.Part> parts) {
        for (CompressedLayout.Part each : parts) {
            header.add(layer(stored) + each.suffix(), each.dtype(), each.shape(), each.bytes());
        }
    }

    private static String layer(String stored) {
        return stored.substring(0, stored.length() - SUFFIX.length());
    }

    /// Returns the bytes of the tensors of other modalities, which are copied when the rewrite is
    /// finished.
    public long otherBytes() {
        return others.values().stream().mapToLong(StoredTensor::byteSize).sum();
    }

    public List<Tensor> tensors() {
        return tensors;
    }

    /// Returns the number of tensors that an earlier rewrite has written.
    public int done() {
        int done = 0;
        while (done < tensors.size()
                && tensors.get(done).piece + tensors.get(done).pieces <= file.done()) {
            done++;
        }
        return done;
    }

    /// Writes the next tensor as the source has it.
    public void copy(Tensor tensor) {
        WeightMatrix matrix = tensor.source;
        if (matrix.decoder().isEmpty()) {
            file.write(tensor.piece, 0, matrix.data());
            return;
        }
        long rowBytes = matrix.type().rowBytes(matrix.columns());
        int atOnce = Math.clamp(PIECE / rowBytes, 1, matrix.rows());
        for (int from = 0; from < matrix.rows(); from += atOnce) {
            int[] rows = IntStream.range(from, Math.min(matrix.rows(), from + atOnce)).toArray();
            try (Arena decoded = Arena.ofShared()) {
                MemorySegment bytes = matrix.decode(rows, 0, matrix.columns(), decoded);
                file.write(tensor.piece, from * rowBytes, bytes);
            }
        }
    }

    /// Writes the next codes of the next tensor, which is quantized.
    ///
    /// @param offset of their bytes among all codes
    /// @param codes row by row, as the layout has them
    public void write(Tensor tensor, long offset, byte[] codes) {
        file.write(tensor.piece, offset, MemorySegment.ofArray(codes));
    }

    /// Ends the next tensor, whose codes are written.
    ///
    /// @param rest of its parts in the order of the layout, without the shape
    public void end(Tensor tensor, byte[]... rest) {
        for (int i = 0; i < rest.length; i++) {
            file.write(tensor.piece + 1 + i, 0, MemorySegment.ofArray(rest[i]));
        }
        if (tensor.pieces == rest.length + 1) {
            return;
        }
        ByteBuffer shape =
                ByteBuffer.allocate(2 * Long.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(tensor.source.rows())
                        .putLong(tensor.source.columns());
        file.write(tensor.piece + tensor.pieces - 1, 0, MemorySegment.ofArray(shape.array()));
    }

    /// Returns the name in the file of what belongs to a module, such as `self_attn.k_scale`: its
    /// matrices may have a prefix less, or one more.
    private static String storedName(FolderCheckpoint checkpoint, String name) {
        String module = name.substring(0, name.lastIndexOf('.') + 1);
        return checkpoint.tensorNames().stream()
                .filter(each -> each.startsWith(module))
                .findFirst()
                .map(
                        each -> {
                            String stored = checkpoint.tensorInfo(each).orElseThrow().storedName();
                            String part = each.substring(module.length());
                            return stored.endsWith(part)
                                    ? stored.substring(0, stored.length() - part.length())
                                            + name.substring(module.length())
                                    : name;
                        })
                .orElse(name);
    }

    /// Returns a scale as a file has it: never 0 and never infinite, so that values can be divided
    /// by it.
    ///
    /// @param type one of F32, F16, BF16
    /// @param scale positive
    public static byte[] stored(TensorType type, float scale) {
        ByteBuffer out = ByteBuffer.allocate(type.blockBytes()).order(ByteOrder.LITTLE_ENDIAN);
        switch (type) {
            case F16 ->
                    out.putShort(
                            Float.floatToFloat16(Math.clamp(scale, SMALLEST_F16, LARGEST_F16)));
            // The reciprocal of a smaller one is infinite.
            case BF16 -> out.putShort(Bfloat16.of(Math.max(scale, Float.MIN_NORMAL)));
            default -> out.putFloat(Math.max(scale, Float.MIN_NORMAL));
        }
        return out.array();
    }

    private static TensorType plain(TensorType type) {
        return type.isQuantized() ? TensorType.BF16 : type;
    }

    /// Writes the configuration, copies the other files of the source and the folders that
    /// `modules.json` names, and gives the weights their name.
    public void finish() {
        int piece = tensors.getLast().piece + tensors.getLast().pieces;
        for (MemorySegment each : last) {
            file.write(piece++, 0, each);
        }
        new SideFiles(source, target).copy();
        try {
            Files.writeString(
                    target.resolve("config.json"),
                    new CompressedConfig(layout, ignored(), cacheScales)
                            .of(source.resolve("config.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        file.finish();
    }

    /// Returns the modules whose matrices are not quantized.
    private List<String> ignored() {
        Stream<String> kept =
                tensors.stream()
                        .filter(each -> !each.quantized && each.source.columns() > 1)
                        .map(Tensor::storedName);
        Stream<String> other =
                others.entrySet().stream()
                        .filter(each -> each.getValue().shape().size() == 2)
                        .map(Map.Entry::getKey);
        return Stream.concat(kept, other)
                .filter(each -> each.endsWith(SUFFIX))
                .map(FolderRewrite::layer)
                .toList();
    }

    @Override
    public void close() {
        file.close();
    }
}

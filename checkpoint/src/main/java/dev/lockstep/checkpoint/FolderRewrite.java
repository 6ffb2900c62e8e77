// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/// A folder in Hugging Face layout that is written with the files of another one, some of its
/// matrices as compressed-tensors stores them.
///
/// `model.safetensors` appears when it is complete. Until then it is `model.safetensors.partial`,
/// and a rewrite that finds one with an equal header goes on after its last whole tensor: the
/// header names what the data depends on.
public final class FolderRewrite implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String WEIGHTS = "model.safetensors";
    private static final String SUFFIX = ".weight";
    private static final float SMALLEST_F16 = 0x1p-24f;
    private static final float LARGEST_F16 = 65504;

    private final Path source;
    private final Path target;
    private final CompressedLayout layout;
    private final List<Tensor> tensors;
    private final List<byte[]> cacheScales;
    private final PartialFile file;

    /// A tensor of the source.
    ///
    /// @param piece the number of the first of its pieces in the file
    /// @param pieces in the file: codes, scales and what else a quantized matrix has
    public record Tensor(
            String name, WeightMatrix source, boolean quantized, int piece, int pieces) {}

    private FolderRewrite(
            Path source,
            Path target,
            CompressedLayout layout,
            List<Tensor> tensors,
            List<byte[]> cacheScales,
            PartialFile file) {
        this.source = source;
        this.target = target;
        this.layout = layout;
        this.tensors = tensors;
        this.cacheScales = cacheScales;
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
        for (String name : checkpoint.tensorNames()) {
            TensorInfo info = checkpoint.tensorInfo(name).orElseThrow();
            WeightMatrix matrix = checkpoint.tensor(name);
            boolean isQuantized = quantized.test(matrix);
            int piece = header.pieceCount();
            if (isQuantized) {
                add(header, info.storedName(), layout.parts(matrix));
            } else {
                header.add(
                        info.storedName(), info.typeName(), info.shape(), matrix.data().byteSize());
            }
            tensors.add(new Tensor(name, matrix, isQuantized, piece, header.pieceCount() - piece));
        }
        TensorType type = plain(checkpoint.config().weightType());
        List<byte[]> scales = new ArrayList<>();
        cacheScales.forEach(
                (name, scale) -> {
                    byte[] stored = stored(type, scale);
                    header.add(
                            storedName(checkpoint, name), type.name(), List.of(1L), stored.length);
                    scales.add(stored);
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
                scales,
                PartialFile.open(target.resolve(WEIGHTS), start, header.pieceBytes(), 1));
    }

    /// Refuses a source that is not rewritten, before anything is computed for it.
    ///
    /// @param quantized see [#open]
    public static void requireRewritable(
            Path source, CompressedLayout layout, Predicate<WeightMatrix> quantized) {
        rewritable(source, layout, quantized);
    }

    private static FolderCheckpoint rewritable(
            Path source, CompressedLayout layout, Predicate<WeightMatrix> quantized) {
        FolderCheckpoint checkpoint = FolderCheckpoint.openFolder(source);
        checkpoint
                .otherModalities()
                .ifPresent(
                        text -> {
                            throw new CheckpointException(
                                    "%s: %s: such models are not converted"
                                            .formatted(source, text));
                        });
        boolean any = false;
        for (String name : checkpoint.tensorNames()) {
            WeightMatrix matrix = checkpoint.tensor(name);
            if (matrix.decoder().isPresent()) {
                throw new CheckpointException(
                        "%s: tensor %s is quantized already: convert the original model"
                                .formatted(source, name));
            }
            any |= quantized.test(matrix);
        }
        if (!any) {
            throw new CheckpointException(
                    "%s: no matrix would be quantized as %s: all are kept, or no row of a layer's matrices is whole groups"
                            .formatted(source, layout));
        }
        return checkpoint;
    }

    private static void add(
            SafetensorsHeader header, String stored, List<CompressedLayout.Part> parts) {
        String layer = stored.substring(0, stored.length() - SUFFIX.length());
        for (CompressedLayout.Part each : parts) {
            header.add(layer + each.suffix(), each.dtype(), each.shape(), each.bytes());
        }
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
        file.write(tensor.piece, 0, tensor.source.data());
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
        for (byte[] scale : cacheScales) {
            file.write(piece++, 0, MemorySegment.ofArray(scale));
        }
        new SideFiles(source, target).copy();
        try {
            Files.writeString(
                    target.resolve("config.json"), configuration(source.resolve("config.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        file.finish();
    }

    private String configuration(Path original) throws IOException {
        ObjectNode config = (ObjectNode) JSON.readTree(original.toFile());
        ObjectNode quantization = config.putObject("quantization_config");
        quantization
                .put("quant_method", "compressed-tensors")
                .put("format", layout.format())
                .put("quantization_status", "compressed");
        ArrayNode ignored = quantization.putArray("ignore");
        for (Tensor tensor : tensors) {
            boolean linear = tensor.name.endsWith(SUFFIX) && tensor.source.columns() > 1;
            if (linear && !tensor.quantized) {
                ignored.add(tensor.name.substring(0, tensor.name.length() - SUFFIX.length()));
            }
        }
        ObjectNode group = quantization.putObject("config_groups").putObject("group_0");
        group.putArray("targets").add("Linear");
        layout.describe(group);
        if (!cacheScales.isEmpty()) {
            CompressedLayout.fixedFloats(quantization.putObject("kv_cache_scheme"));
        }
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(config) + "\n";
    }

    @Override
    public void close() {
        file.close();
    }
}

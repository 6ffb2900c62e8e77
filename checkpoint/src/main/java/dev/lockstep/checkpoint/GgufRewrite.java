// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/// A GGUF file that is written with the metadata and the tensors of another one, some of them in
/// other types.
///
/// The target appears under its name when it is complete. Until then it is `NAME.partial`, and a
/// rewrite that finds one with an equal header goes on after its last whole tensor: the header
/// names what the data depends on.
public final class GgufRewrite implements AutoCloseable {
    private static final String FILE_TYPE = "general.file_type";
    private static final String QUANTIZATION_VERSION = "general.quantization_version";
    private static final String ORIGIN = "lockstep.converted_from";

    /// Keys of the source that the target has anew or not at all.
    private static final Set<String> REPLACED =
            Set.of("general.alignment", FILE_TYPE, QUANTIZATION_VERSION, ORIGIN);

    /// The version of the layout of quantized blocks that GGUF files name.
    private static final int QUANTIZATION_LAYOUT = 2;

    private final PartialFile file;
    private final List<Tensor> tensors;

    /// A tensor of the target.
    ///
    /// @param name its Hugging Face name
    /// @param source as the source has it, rows in stored order
    /// @param order in which the target has the rows of the source
    /// @param added to every value
    /// @param type in the target; empty for one that is copied
    public record Tensor(
            String name,
            WeightMatrix source,
            RowOrder order,
            float added,
            Optional<TensorType> type,
            long bytes) {

        /// Creates a tensor in one of the types, or one that is copied.
        static Tensor of(
                String name,
                WeightMatrix source,
                RowOrder order,
                float added,
                Optional<TensorType> type) {
            long bytes =
                    type.map(each -> source.rows() * each.rowBytes(source.columns()))
                            .orElse(source.data().byteSize());
            return new Tensor(name, source, order, added, type, bytes);
        }
    }

    /// A header that gets its tensors one after the other, with the places of their data.
    static final class Plan {
        private final GgufHeader header;
        private final List<Tensor> tensors = new ArrayList<>();
        private long offset;

        Plan(GgufHeader header) {
            this.header = header;
        }

        /// Adds the keys that say where the data is from.
        void origin(Checkpoint source, int fileType, String origin) {
            header.put(FILE_TYPE, fileType);
            header.put(QUANTIZATION_VERSION, QUANTIZATION_LAYOUT);
            header.put(ORIGIN, source.digest() + " " + origin);
        }

        void add(String storedName, String typeName, List<Long> shape, Tensor tensor) {
            header.tensor(storedName, GgufTensorType.numberOf(typeName), shape, offset);
            tensors.add(tensor);
            offset =
                    Math.ceilDiv(offset + tensor.bytes, GgufHeader.ALIGNMENT)
                            * GgufHeader.ALIGNMENT;
        }

        /// Opens the target and writes the header, or finds how far an earlier rewrite came.
        GgufRewrite open(Path target) {
            long[] bytes = tensors.stream().mapToLong(Tensor::bytes).toArray();
            return new GgufRewrite(
                    PartialFile.open(target, header.bytes(), bytes, GgufHeader.ALIGNMENT), tensors);
        }
    }

    private GgufRewrite(PartialFile file, List<Tensor> tensors) {
        this.file = file;
        this.tensors = tensors;
    }

    /// Opens the target and writes its header, or finds how far an earlier rewrite came.
    ///
    /// @param types the type of a tensor in the target; empty for one that is copied
    /// @param fileType GGUF's number for what most of the tensors are
    /// @param origin everything else that the data depends on, such as settings
    public static GgufRewrite open(
            Path source,
            Path target,
            Function<WeightMatrix, Optional<TensorType>> types,
            int fileType,
            String origin) {
        GgufCheckpoint checkpoint = GgufCheckpoint.openFile(source);
        var header = new GgufHeader();
        GgufMetadata metadata = checkpoint.metadata();
        for (String key : metadata.keys()) {
            if (!REPLACED.contains(key) && !key.startsWith("split.")) {
                header.copy(key, metadata.typeOf(key), metadata.stored(key));
            }
        }
        var plan = new Plan(header);
        plan.origin(checkpoint, fileType, origin);
        for (String name : checkpoint.tensorNames()) {
            TensorInfo info = checkpoint.tensorInfo(name).orElseThrow();
            if (XieluTensors.areIn(info.storedName())) {
                continue;
            }
            WeightMatrix matrix = checkpoint.tensor(name);
            Optional<TensorType> type = types.apply(matrix);
            plan.add(
                    info.storedName(),
                    type.map(TensorType::name).orElse(info.typeName()),
                    info.shape(),
                    Tensor.of(name, matrix, new RowOrder.AsIs(), 0, type));
        }
        return plan.open(target);
    }

    public List<Tensor> tensors() {
        return tensors;
    }

    /// Returns the number of tensors that an earlier rewrite has written.
    public int done() {
        return file.done();
    }

    /// Writes the next tensor as the source has it.
    public void copy(int tensor) {
        write(tensor, 0, tensors.get(tensor).source.data());
    }

    /// Writes the next part of the next tensor.
    ///
    /// @param tensor its place in [#tensors]
    /// @param offset in the tensor's data
    /// @param data in the tensor's type
    public void write(int tensor, long offset, MemorySegment data) {
        file.write(tensor, offset, data);
    }

    /// Gives the complete target its name.
    public void finish() {
        file.finish();
    }

    @Override
    public void close() {
        file.close();
    }
}

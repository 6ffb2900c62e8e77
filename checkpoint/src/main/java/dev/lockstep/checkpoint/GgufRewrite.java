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
    /// @param type in the target; empty for one that is copied
    public record Tensor(String name, WeightMatrix source, Optional<TensorType> type, long bytes) {}

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
        header.put(FILE_TYPE, fileType);
        header.put(QUANTIZATION_VERSION, QUANTIZATION_LAYOUT);
        header.put(ORIGIN, checkpoint.digest() + " " + origin);
        List<Tensor> tensors = new ArrayList<>();
        long offset = 0;
        for (String name : checkpoint.tensorNames()) {
            TensorInfo info = checkpoint.tensorInfo(name).orElseThrow();
            WeightMatrix matrix = checkpoint.tensor(name);
            Optional<TensorType> type = types.apply(matrix);
            long bytes =
                    type.map(each -> matrix.rows() * each.rowBytes(matrix.columns()))
                            .orElse(matrix.data().byteSize());
            header.tensor(
                    info.storedName(),
                    GgufTensorType.numberOf(type.map(TensorType::name).orElse(info.typeName())),
                    info.shape(),
                    offset);
            tensors.add(new Tensor(name, matrix, type, bytes));
            offset = Math.ceilDiv(offset + bytes, GgufHeader.ALIGNMENT) * GgufHeader.ALIGNMENT;
        }
        long[] bytes = tensors.stream().mapToLong(Tensor::bytes).toArray();
        return new GgufRewrite(
                PartialFile.open(target, header.bytes(), bytes, GgufHeader.ALIGNMENT), tensors);
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

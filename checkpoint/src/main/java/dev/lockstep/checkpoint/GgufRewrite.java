// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
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
    private static final String ALIGNMENT = "general.alignment";
    private static final String FILE_TYPE = "general.file_type";
    private static final String QUANTIZATION_VERSION = "general.quantization_version";
    private static final String ORIGIN = "lockstep.converted_from";

    /// The version of the layout of quantized blocks that GGUF files name.
    private static final int QUANTIZATION_LAYOUT = 2;

    private final Path target;
    private final Path partial;
    private final FileChannel channel;
    private final List<Tensor> tensors;
    private final int done;

    /// A tensor of the target.
    ///
    /// @param name its Hugging Face name
    /// @param source as the source has it, rows in stored order
    /// @param type in the target; empty for one that is copied
    /// @param start of its data in the file
    public record Tensor(
            String name, WeightMatrix source, Optional<TensorType> type, long start, long bytes) {}

    private GgufRewrite(
            Path target, Path partial, FileChannel channel, List<Tensor> tensors, int done) {
        this.target = target;
        this.partial = partial;
        this.channel = channel;
        this.tensors = tensors;
        this.done = done;
    }

    /// Opens the target and writes its header, or finds how far an earlier rewrite came.
    ///
    /// @param types the type of a tensor in the target by its Hugging Face name; empty for one that
    ///   is copied
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
            if (!Set.of(ALIGNMENT, FILE_TYPE, QUANTIZATION_VERSION, ORIGIN).contains(key)
                    && !key.startsWith("split.")) {
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
                    GgufTensorType.numberOf(type.orElse(matrix.type())),
                    info.shape(),
                    offset);
            tensors.add(new Tensor(name, matrix, type, offset, bytes));
            offset = aligned(offset + bytes);
        }
        try {
            return open(target, header.bytes(), tensors);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static GgufRewrite open(Path target, byte[] header, List<Tensor> planned)
            throws IOException {
        List<Tensor> tensors =
                planned.stream()
                        .map(
                                each ->
                                        new Tensor(
                                                each.name,
                                                each.source,
                                                each.type,
                                                header.length + each.start,
                                                each.bytes))
                        .toList();
        Path partial = target.resolveSibling(target.getFileName() + ".partial");
        FileChannel channel =
                FileChannel.open(
                        partial,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        try {
            if (!lock(channel)) {
                throw new CheckpointException(
                        "%s is written by another process".formatted(partial));
            }
            int done = 0;
            if (hasHeader(channel, header)) {
                long size = channel.size();
                while (done < tensors.size() && end(tensors.get(done)) <= size) {
                    done++;
                }
            } else {
                channel.truncate(0);
                writeFully(channel, ByteBuffer.wrap(header), 0);
            }
            channel.truncate(done == 0 ? header.length : end(tensors.get(done - 1)));
            return new GgufRewrite(target, partial, channel, tensors, done);
        } catch (IOException | RuntimeException failure) {
            channel.close();
            throw failure;
        }
    }

    private static boolean lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException _) {
            return false;
        }
    }

    private static boolean hasHeader(FileChannel channel, byte[] header) throws IOException {
        if (channel.size() < header.length) {
            return false;
        }
        ByteBuffer found = ByteBuffer.allocate(header.length);
        int read = 0;
        while (found.hasRemaining() && read >= 0) {
            read = channel.read(found, found.position());
        }
        return Arrays.equals(header, found.array());
    }

    private static long end(Tensor tensor) {
        return aligned(tensor.start + tensor.bytes);
    }

    private static long aligned(long offset) {
        return Math.ceilDiv(offset, GgufHeader.ALIGNMENT) * GgufHeader.ALIGNMENT;
    }

    public List<Tensor> tensors() {
        return tensors;
    }

    /// Returns the number of tensors that an earlier rewrite has written.
    public int done() {
        return done;
    }

    /// Writes the next tensor as the source has it.
    public void copy(Tensor tensor) {
        write(tensor, tensor.source.data());
    }

    /// Writes the next tensor.
    ///
    /// @param data in the tensor's type
    public void write(Tensor tensor, MemorySegment data) {
        if (data.byteSize() != tensor.bytes) {
            throw new IllegalArgumentException(
                    "%s takes %d bytes, not %d"
                            .formatted(tensor.name, tensor.bytes, data.byteSize()));
        }
        try {
            long written = 0;
            while (written < tensor.bytes) {
                long piece = Math.min(tensor.bytes - written, 1 << 24);
                writeFully(
                        channel,
                        data.asSlice(written, piece).asByteBuffer(),
                        tensor.start + written);
                written += piece;
            }
            int padding = (int) (end(tensor) - tensor.start - tensor.bytes);
            writeFully(channel, ByteBuffer.allocate(padding), tensor.start + tensor.bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes, long at)
            throws IOException {
        long next = at;
        while (bytes.hasRemaining()) {
            next += channel.write(bytes, next);
        }
    }

    /// Gives the complete target its name.
    public void finish() {
        try {
            channel.force(true);
            channel.close();
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

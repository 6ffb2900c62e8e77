// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// One `.gguf` file of version 2 or 3: `[magic][version][counts][metadata][tensor
/// infos][padding][data]`.
///
/// Opening checks everything except the weights' values. Tensors have their GGUF names here;
/// [GgufCheckpoint] renames them to those of Hugging Face.
///
/// @param dataStart start of the data; equal to the end of the header when there are no tensors
record GgufFile(
        MappedFile file, GgufMetadata metadata, long dataStart, Map<String, StoredTensor> tensors) {
    private static final int MAGIC = 0x46554747; // "GGUF" read little-endian
    private static final int MAX_DIMENSIONS = 4;
    private static final int DEFAULT_ALIGNMENT = 32;

    private record Declared(
            String name, List<Long> shape, GgufTensorType type, long offset, long bytes) {}

    static GgufFile open(Path path) {
        return read(MappedFile.open(path));
    }

    static GgufFile read(MappedFile file) {
        var reader = new GgufReader(file.path(), file.bytes(), 0);
        requireFormat(reader);
        long tensorCount = reader.readLong("the tensor count");
        long keyCount = reader.readLong("the metadata count");
        GgufMetadata metadata = GgufMetadata.read(reader, file.bytes(), keyCount);
        List<Declared> infos = infos(reader, tensorCount);
        if (infos.isEmpty()) {
            return new GgufFile(file, metadata, reader.position(), Map.of());
        }
        int alignment = alignment(metadata);
        long dataStart = (reader.position() + alignment - 1) / alignment * alignment;
        return new GgufFile(file, metadata, dataStart, tensors(file, infos, dataStart, alignment));
    }

    private static void requireFormat(GgufReader reader) {
        int magic = reader.readInt("the file's first bytes");
        if (magic != MAGIC) {
            throw new CheckpointException(
                    "%s does not begin with GGUF: not a GGUF file, or damaged: download it again"
                            .formatted(reader.path()));
        }
        int version = reader.readInt("the version");
        if (version == Integer.reverseBytes(2) || version == Integer.reverseBytes(3)) {
            throw new CheckpointException(
                    reader.path() + " is a big-endian GGUF file: use the little-endian version");
        }
        if (version != 2 && version != 3) {
            throw new CheckpointException(
                    "%s has GGUF version %s, supported are 2 and 3: convert the model again"
                            .formatted(reader.path(), Integer.toUnsignedString(version)));
        }
    }

    private static int alignment(GgufMetadata metadata) {
        int alignment = metadata.size("general.alignment").orElse(DEFAULT_ALIGNMENT);
        if (Integer.bitCount(alignment) != 1 || alignment > 1 << 20) {
            throw metadata.wrong(
                    "general.alignment", alignment, "a power of two of at most 1048576");
        }
        return alignment;
    }

    private static List<Declared> infos(GgufReader reader, long count) {
        // A tensor info has at least its name's length, dimension count, one dimension, type and
        // offset.
        reader.require(
                count,
                8 + 4 + 8 + 4 + 8,
                "the infos of " + Long.toUnsignedString(count) + " tensors");
        List<Declared> infos = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            infos.add(info(reader, i));
        }
        return infos;
    }

    private static Declared info(GgufReader reader, long index) {
        String name = reader.readText("the name of tensor " + index);
        String what = "the info of tensor " + name;
        int dimensions = reader.readInt(what);
        if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
            throw damaged(
                    reader.path(),
                    name,
                    Integer.toUnsignedString(dimensions) + " dimensions, expected 1 to 4");
        }
        List<Long> shape = new ArrayList<>();
        for (int i = 0; i < dimensions; i++) {
            shape.add(reader.readLong(what));
        }
        Collections.reverse(shape);
        int number = reader.readInt(what);
        GgufTensorType type =
                GgufTensorType.of(number)
                        .orElseThrow(
                                () ->
                                        new CheckpointException(
                                                "%s: tensor %s has unknown type number %s: use a version of the model in one of %s"
                                                        .formatted(
                                                                reader.path(),
                                                                name,
                                                                Integer.toUnsignedString(number),
                                                                GgufTensorType.supported())));
        long bytes = byteSize(reader.path(), name, shape, type);
        return new Declared(name, List.copyOf(shape), type, reader.readLong(what), bytes);
    }

    private static long byteSize(Path path, String name, List<Long> shape, GgufTensorType type) {
        long values = 1;
        for (long dimension : shape) {
            if (dimension < 1 || values > Long.MAX_VALUE / 8 / dimension) {
                throw damaged(path, name, "shape " + shape + " is empty or multiplies beyond 2^60");
            }
            values *= dimension;
        }
        if (shape.getLast() % type.blockSize() != 0) {
            throw damaged(
                    path,
                    name,
                    "rows of %d values are not a whole number of %s blocks of %d"
                            .formatted(shape.getLast(), type.name(), type.blockSize()));
        }
        return values / type.blockSize() * type.blockBytes();
    }

    private static Map<String, StoredTensor> tensors(
            MappedFile file, List<Declared> infos, long dataStart, int alignment) {
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        for (Declared info : infos) {
            MemorySegment data = data(file, info, dataStart, alignment);
            var tensor =
                    new StoredTensor(
                            file.path(),
                            info.name(),
                            info.type().name(),
                            info.type().usable(),
                            info.shape(),
                            new RowOrder.AsIs(),
                            data);
            if (tensors.put(info.name(), tensor) != null) {
                throw damaged(file.path(), info.name(), "occurs twice");
            }
        }
        requireApart(file.path(), infos);
        return Collections.unmodifiableMap(tensors);
    }

    private static MemorySegment data(
            MappedFile file, Declared info, long dataStart, int alignment) {
        if (info.offset() < 0 || info.offset() % alignment != 0) {
            throw damaged(
                    file.path(),
                    info.name(),
                    "data offset %s is not a multiple of the alignment %d"
                            .formatted(Long.toUnsignedString(info.offset()), alignment));
        }
        long room = file.size() - dataStart;
        if (info.bytes() > room || info.offset() > room - info.bytes()) {
            throw new CheckpointException(
                    "%s: tensor %s begins at byte %s and takes %d but the file ends at byte %d: truncated or damaged, download it again"
                            .formatted(
                                    file.path(),
                                    info.name(),
                                    Long.toUnsignedString(dataStart + info.offset()),
                                    info.bytes(),
                                    file.size()));
        }
        return file.bytes().asSlice(dataStart + info.offset(), info.bytes());
    }

    private static void requireApart(Path path, List<Declared> infos) {
        List<Declared> sorted = new ArrayList<>(infos);
        sorted.sort(Comparator.comparingLong(Declared::offset));
        for (int i = 1; i < sorted.size(); i++) {
            Declared before = sorted.get(i - 1);
            if (before.offset() + before.bytes() > sorted.get(i).offset()) {
                throw damaged(path, sorted.get(i).name(), "overlaps tensor " + before.name());
            }
        }
    }

    private static CheckpointException damaged(Path path, String name, String what) {
        return new CheckpointException(
                "%s: tensor %s: %s: the file is damaged, download it again"
                        .formatted(path, name, what));
    }
}

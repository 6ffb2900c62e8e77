// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// One `.safetensors` file: `[header length: u64][header: JSON][data]`, checked completely when
/// opened.
///
/// The rules are those of the format: the tensors cover the data without overlap, gap or rest, and
/// each has exactly shape × element size bytes.
///
/// @param dataStart start of the data, from which offsets in the header count
/// @param metadata what its writer says about it
record SafetensorsFile(
        MappedFile file,
        long dataStart,
        Map<String, StoredTensor> tensors,
        Optional<JsonObject> metadata) {
    /// The limit of the format.
    private static final long MAX_HEADER_BYTES = 100_000_000;

    /// The key of what is no tensor.
    static final String METADATA = "__metadata__";

    private static final ValueLayout.OfLong LENGTH =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final Map<String, Integer> ELEMENT_BYTES =
            Map.ofEntries(
                    Map.entry("BOOL", 1),
                    Map.entry("U8", 1),
                    Map.entry("I8", 1),
                    Map.entry("F8_E4M3", 1),
                    Map.entry("F8_E5M2", 1),
                    Map.entry("F8_E8M0", 1),
                    Map.entry("U16", 2),
                    Map.entry("I16", 2),
                    Map.entry("F16", 2),
                    Map.entry("BF16", 2),
                    Map.entry("U32", 4),
                    Map.entry("I32", 4),
                    Map.entry("F32", 4),
                    Map.entry("U64", 8),
                    Map.entry("I64", 8),
                    Map.entry("F64", 8),
                    Map.entry("C64", 8));

    static SafetensorsFile open(Path path) {
        return read(MappedFile.open(path));
    }

    static SafetensorsFile read(MappedFile file) {
        JsonObject header = header(file);
        long dataStart = 8 + file.bytes().get(LENGTH, 0);
        MemorySegment data = file.bytes().asSlice(dataStart);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        List<Range> ranges = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : header.entries()) {
            if (entry.getKey().equals(METADATA)) {
                continue;
            }
            Range range = range(file.path(), data.byteSize(), entry.getKey(), entry.getValue());
            ranges.add(range);
            tensors.put(entry.getKey(), tensor(file.path(), data, range, entry.getValue()));
        }
        requireCovered(file.path(), ranges, data.byteSize());
        return new SafetensorsFile(
                file,
                dataStart,
                Collections.unmodifiableMap(tensors),
                header.node().path(METADATA).isObject()
                        ? header.object(METADATA)
                        : Optional.empty());
    }

    private record Range(String name, long from, long to) {}

    private static JsonObject header(MappedFile file) {
        if (file.size() < 8) {
            throw new CheckpointException(
                    "%s has %d bytes, too few for a safetensors header: the file is truncated, download it again"
                            .formatted(file.path(), file.size()));
        }
        long length = file.bytes().get(LENGTH, 0);
        if (length < 0 || length > MAX_HEADER_BYTES) {
            throw new CheckpointException(
                    "%s: header length %s exceeds the limit of %d: not a safetensors file, or damaged: download it again"
                            .formatted(
                                    file.path(), Long.toUnsignedString(length), MAX_HEADER_BYTES));
        }
        if (length > file.size() - 8) {
            throw new CheckpointException(
                    "%s: the header ends at byte %d but the file has %d: the file is truncated, download it again"
                            .formatted(file.path(), length + 8, file.size()));
        }
        return JsonObject.parse(
                file.path(), file.bytes().asSlice(8, length).toArray(ValueLayout.JAVA_BYTE));
    }

    private static Range range(Path path, long dataBytes, String name, JsonNode entry) {
        JsonNode offsets = entry.path("data_offsets");
        if (!offsets.isArray()
                || offsets.size() != 2
                || !isSize(offsets.get(0))
                || !isSize(offsets.get(1))) {
            throw damaged(
                    path, name, "data_offsets " + shorten(offsets) + " are not two byte positions");
        }
        long from = offsets.get(0).longValue();
        long to = offsets.get(1).longValue();
        if (from > to) {
            throw damaged(path, name, "data_offsets [%d, %d] run backwards".formatted(from, to));
        }
        if (to > dataBytes) {
            throw new CheckpointException(
                    "%s: tensor %s ends at data byte %d but the file holds %d: the file is truncated, download it again"
                            .formatted(path, name, to, dataBytes));
        }
        return new Range(name, from, to);
    }

    private static StoredTensor tensor(Path path, MemorySegment data, Range range, JsonNode entry) {
        String typeName = entry.path("dtype").asText();
        Integer elementBytes = ELEMENT_BYTES.get(typeName);
        if (elementBytes == null) {
            throw new CheckpointException(
                    "%s: tensor %s has unknown dtype %s: use a version of the model in F32, F16 or BF16"
                            .formatted(path, range.name(), shorten(entry.path("dtype"))));
        }
        List<Long> shape = shape(path, range.name(), entry.path("shape"));
        long bytes = byteSize(path, range.name(), shape, elementBytes);
        if (bytes != range.to() - range.from()) {
            throw damaged(
                    path,
                    range.name(),
                    "shape %s of %s takes %d bytes but data_offsets hold %d"
                            .formatted(shape, typeName, bytes, range.to() - range.from()));
        }
        return new StoredTensor(
                path,
                range.name(),
                typeName,
                usableType(typeName),
                shape,
                new RowOrder.AsIs(),
                data.asSlice(range.from(), bytes));
    }

    private static Optional<TensorType> usableType(String typeName) {
        return switch (typeName) {
            case "F32" -> Optional.of(TensorType.F32);
            case "F16" -> Optional.of(TensorType.F16);
            case "BF16" -> Optional.of(TensorType.BF16);
            default -> Optional.empty();
        };
    }

    private static List<Long> shape(Path path, String name, JsonNode node) {
        if (!node.isArray()) {
            throw damaged(path, name, "shape " + shorten(node) + " is not a list");
        }
        List<Long> shape = new ArrayList<>();
        for (JsonNode dimension : node) {
            if (!isSize(dimension)) {
                throw damaged(
                        path, name, "shape " + shorten(node) + " holds " + shorten(dimension));
            }
            shape.add(dimension.longValue());
        }
        return List.copyOf(shape);
    }

    private static long byteSize(Path path, String name, List<Long> shape, int elementBytes) {
        long bytes = elementBytes;
        for (long dimension : shape) {
            if (dimension != 0 && bytes > Long.MAX_VALUE / dimension) {
                throw damaged(path, name, "shape " + shape + " multiplies beyond 2^63 bytes");
            }
            bytes *= dimension;
        }
        return bytes;
    }

    private static void requireCovered(Path path, List<Range> ranges, long dataBytes) {
        ranges.sort(Comparator.comparingLong(Range::from).thenComparingLong(Range::to));
        long end = 0;
        String before = "the header";
        for (Range range : ranges) {
            if (range.from() != end) {
                throw damaged(
                        path,
                        range.name(),
                        "begins at data byte %d but %s ends at %d: tensors %s"
                                .formatted(
                                        range.from(),
                                        before,
                                        end,
                                        range.from() < end ? "overlap" : "leave a gap"));
            }
            end = range.to();
            before = range.name();
        }
        if (end != dataBytes) {
            throw new CheckpointException(
                    "%s: %d bytes follow the last tensor: the file is damaged, download it again"
                            .formatted(path, dataBytes - end));
        }
    }

    private static boolean isSize(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToLong() && node.longValue() >= 0;
    }

    private static String shorten(JsonNode node) {
        String text = node.isMissingNode() ? "(absent)" : node.toString();
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    private static CheckpointException damaged(Path path, String name, String what) {
        return new CheckpointException(
                "%s: tensor %s: %s: the file is damaged, download it again"
                        .formatted(path, name, what));
    }
}

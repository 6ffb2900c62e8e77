// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The tensors of a model as far as some files of a cut folder have them: whole ones, the parts of
/// a rank, and descriptions of all others.
///
/// A part is the tensor of the same name in a file whose metadata say which rows and columns it is.
/// A matrix that the source keeps in another form has its blocks as bytes, and maybe the same in a
/// plain type and the order of its columns.
final class HeldTensors {
    /// The key of the metadata.
    static final String PARTS = "lockstep_cut";

    /// Follows the name of a matrix in a plain type that has blocks too.
    static final String PLAIN = ":plain";

    /// Follows the name of a matrix whose columns are in an order of their own.
    static final String ORDER = ":order";

    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Map<String, StoredTensor> whole = new HashMap<>();
    private final Map<String, Part> parts = new HashMap<>();
    private final Map<String, int[]> orders = new HashMap<>();

    private record Part(StoredTensor tensor, TensorType type, HeldPart part) {
        HeldRows rows(Optional<int[]> order, Optional<WeightDecoder.Plain> plain) {
            return new HeldRows(tensor.storedName(), type, part, tensor.data(), order, plain);
        }
    }

    private HeldTensors() {}

    /// Returns the tensors in the order of the descriptions.
    static Map<String, StoredTensor> of(
            Map<String, CutLayout.Whole> described, List<SafetensorsFile> files) {
        var held = new HeldTensors();
        files.forEach(held::add);
        Map<String, StoredTensor> tensors = new LinkedHashMap<>();
        SafetensorsFile any = files.getFirst();
        described.forEach(
                (name, each) -> {
                    StoredTensor stored = held.whole.get(name);
                    tensors.put(name, stored != null ? stored : held.cut(name, each, any));
                });
        return tensors;
    }

    private void add(SafetensorsFile file) {
        Optional<JsonObject> cut =
                file.metadata()
                        .flatMap(each -> each.text(PARTS))
                        .map(
                                text ->
                                        JsonObject.parse(
                                                file.file().path(),
                                                text.getBytes(StandardCharsets.UTF_8)));
        file.tensors()
                .forEach(
                        (name, tensor) -> {
                            Optional<JsonObject> part = cut.flatMap(each -> each.object(name));
                            if (name.endsWith(ORDER)) {
                                orders.put(name, order(tensor));
                            } else if (part.isPresent()) {
                                parts.put(name, part(tensor, part.get()));
                            } else {
                                whole.put(name, tensor);
                            }
                        });
    }

    private static int[] order(StoredTensor tensor) {
        int[] order = new int[Math.toIntExact(tensor.data().byteSize() / Integer.BYTES)];
        for (int i = 0; i < order.length; i++) {
            order[i] = tensor.data().getAtIndex(INT, i);
        }
        return order;
    }

    private static Part part(StoredTensor tensor, JsonObject part) {
        return new Part(
                tensor,
                CutLayout.type(part, "type"),
                new HeldPart(numbers(part, "rows"), numbers(part, "columns")));
    }

    private static NumberRanges numbers(JsonObject part, String key) {
        String text = part.text(key).orElseThrow(() -> part.missing(key));
        try {
            return NumberRanges.parse(text);
        } catch (IllegalArgumentException | ArithmeticException _) {
            throw part.wrong(key, text, "ascending ranges");
        }
    }

    /// Returns a tensor of which the files have a part, or nothing.
    private StoredTensor cut(String name, CutLayout.Whole whole, SafetensorsFile any) {
        Part none = none(name, whole.type(), any);
        if (!whole.coded()) {
            Part own = parts.getOrDefault(name, none);
            return stored(own, whole, Optional.empty());
        }
        Optional<Part> plain = Optional.ofNullable(parts.get(name + PLAIN));
        Optional<int[]> order = Optional.ofNullable(orders.get(name + ORDER));
        Part own = parts.getOrDefault(name, plain.orElse(none));
        Part other = plain.orElseGet(() -> none(name, TensorType.F32, any));
        boolean both = plain.isEmpty() ? own.equals(none) : !own.equals(plain.get());
        Optional<WeightDecoder.Plain> decoded =
                both
                        ? Optional.of(
                                new WeightDecoder.Plain(
                                        other.type(),
                                        other.rows(Optional.empty(), Optional.empty())))
                        : Optional.empty();
        return stored(own, whole, Optional.of(own.rows(order, decoded)));
    }

    private static Part none(String name, TensorType type, SafetensorsFile any) {
        MemorySegment nothing = any.file().bytes().asSlice(0, 0);
        var tensor =
                new StoredTensor(
                        any.file().path(),
                        name,
                        type.name(),
                        Optional.of(type),
                        List.of(0L),
                        new RowOrder.AsIs(),
                        nothing);
        return new Part(tensor, type, HeldPart.NONE);
    }

    private static StoredTensor stored(
            Part part, CutLayout.Whole whole, Optional<WeightDecoder> decoder) {
        return new StoredTensor(
                part.tensor().file(),
                part.tensor().storedName(),
                whole.typeName(),
                Optional.of(part.type()),
                whole.shape(),
                new RowOrder.AsIs(),
                part.tensor().data(),
                decoder,
                Optional.of(part.part()));
    }
}

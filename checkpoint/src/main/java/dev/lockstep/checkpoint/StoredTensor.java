// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// One tensor as its file keeps it.
///
/// @param type empty for types that can be listed and not computed with
/// @param shape outermost dimension first
/// @param order how its rows are ordered, known from the architecture
/// @param data as stored; the codes of a tensor with a decoder
/// @param decoder present where rows have to be decoded to `type`
/// @param held what `data` has of a tensor of which every rank has its own part
record StoredTensor(
        Path file,
        String storedName,
        String typeName,
        Optional<TensorType> type,
        List<Long> shape,
        RowOrder order,
        MemorySegment data,
        Optional<WeightDecoder> decoder,
        Optional<HeldPart> held) {

    StoredTensor(
            Path file,
            String storedName,
            String typeName,
            Optional<TensorType> type,
            List<Long> shape,
            RowOrder order,
            MemorySegment data) {
        this(
                file,
                storedName,
                typeName,
                type,
                shape,
                order,
                data,
                Optional.empty(),
                Optional.empty());
    }

    StoredTensor(
            Path file,
            String storedName,
            String typeName,
            Optional<TensorType> type,
            List<Long> shape,
            RowOrder order,
            MemorySegment data,
            Optional<WeightDecoder> decoder) {
        this(file, storedName, typeName, type, shape, order, data, decoder, Optional.empty());
    }

    /// Returns the tensor that a decoder gives for this one.
    StoredTensor decoded(
            String decodedTypeName,
            TensorType decodedType,
            List<Long> decodedShape,
            WeightDecoder rows) {
        return new StoredTensor(
                file,
                storedName,
                decodedTypeName,
                Optional.of(decodedType),
                decodedShape,
                order,
                data,
                Optional.of(rows),
                Optional.empty());
    }

    TensorInfo info(String name) {
        return new TensorInfo(name, storedName, typeName, shape, byteSize());
    }

    StoredTensor withOrder(RowOrder newOrder) {
        return new StoredTensor(
                file, storedName, typeName, type, shape, newOrder, data, decoder, held);
    }

    /// Returns the bytes of the whole tensor.
    long byteSize() {
        if (held.isEmpty()) {
            return data.byteSize();
        }
        TensorType whole = type.orElseThrow(this::unsupported);
        return shape.stream().reduce(1L, Math::multiplyExact)
                / whole.blockSize()
                * whole.blockBytes();
    }

    /// The whole tensor. A vector becomes one column, so that it is cut like the rows of its
    /// matrix.
    WeightMatrix weight(String name) {
        TensorType usable = type.orElseThrow(this::unsupported);
        long columns = shape.size() < 2 ? 1 : shape.getLast();
        long rows = 1;
        for (int i = 0; i < Math.max(shape.size() - 1, Math.min(shape.size(), 1)); i++) {
            rows *= shape.get(i);
        }
        if (rows == 0 || columns == 0) {
            throw new CheckpointException(
                    "%s: tensor %s has shape %s and holds nothing, the configuration needs values"
                            .formatted(file, storedName, shape));
        }
        if (rows > Integer.MAX_VALUE || columns > Integer.MAX_VALUE) {
            throw new CheckpointException(
                    "%s: tensor %s has %d rows of %d, more than 2^31"
                            .formatted(file, storedName, rows, columns));
        }
        if (columns % usable.blockSize() != 0) {
            throw new CheckpointException(
                    "%s: tensor %s of type %s has rows of %d values, not a whole number of blocks of %d"
                            .formatted(file, storedName, typeName, columns, usable.blockSize()));
        }
        return new WeightMatrix(
                name,
                usable,
                (int) rows,
                (int) columns,
                order,
                data,
                decoder,
                decoder.isPresent() ? Optional.empty() : held);
    }

    CheckpointException unsupported() {
        return new CheckpointException(
                "%s: tensor %s has type %s, which is not supported (supported: %s): use another version of the model"
                        .formatted(file, storedName, typeName, GgufTensorType.supported()));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// A matrix that is repacked with its columns in the order of their groups; the inputs of a product
/// are taken in the same order.
///
/// @param plain the same matrix, decoded, with its columns in their order
/// @param repacked of the columns in the order of `groups`
record OrderedMatrix(QuantizedMatrix plain, WeightDecoder repacked, ColumnGroups groups)
        implements WeightDecoder {

    /// Returns the tensor of a matrix, which is repacked if its ordered columns are.
    ///
    /// @param ordered the tensor of these columns
    static StoredTensor tensor(
            StoredTensor codes, QuantizedMatrix plain, ColumnGroups groups, StoredTensor ordered) {
        TensorType type = ordered.type().orElseThrow();
        if (!type.isQuantized()) {
            return LayerParts.tensor(codes, plain);
        }
        WeightDecoder repacked = ordered.decoder().orElseThrow();
        return LayerParts.tensor(codes, plain, type, new OrderedMatrix(plain, repacked, groups));
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        repacked.decode(row, from, to, target, offset);
    }

    @Override
    public Optional<Plain> fallback() {
        return groups.areWhole() && repacked.fallback().isEmpty()
                ? Optional.empty()
                : inPlainType();
    }

    @Override
    public Optional<Plain> expectedFallback() {
        return groups.areWhole() && repacked.expectedFallback().isEmpty()
                ? Optional.empty()
                : inPlainType();
    }

    @Override
    public Optional<Plain> inPlainType() {
        return Optional.of(new Plain(plain.type(), plain));
    }

    @Override
    public Optional<int[]> columnOrder() {
        return groups.columnOrder();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DeviceCapabilities;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What a rank holds of a model, counted while its family loads from headers.
///
/// @param matrices packed segments, each with the number of times that the family packs it
/// @param tables embeddings
/// @param vectorBytes of norms, biases and the like, in F32
/// @param positionBytes of each position that is served: cosines and sines of every rope, and
///   factors of queries
record ShardWeights(
        Map<Segment, Integer> matrices, List<Table> tables, long vectorBytes, long positionBytes) {

    /// Columns of a matrix that stands for all: whole blocks of every type.
    private static final int ESTIMATED_COLUMNS = 4096;

    ShardWeights {
        matrices = Map.copyOf(matrices);
        tables = List.copyOf(tables);
    }

    /// Rows that are packed into one matrix.
    ///
    /// @param type in which they are packed: the plain one for matrices that no packed type holds
    /// @param skipped columns of the first stored block that precede the first one
    record Segment(TensorType type, int rows, int columns, int skipped) {}

    /// An embedding.
    ///
    /// @param decoded whether its file keeps it in another form
    record Table(TensorType type, int rows, int columns, boolean decoded) {

        /// Returns its bytes in the type in which kernels read it.
        long bytes() {
            return rows * type.rowBytes(columns);
        }
    }

    /// Returns the bytes of a segment.
    interface SegmentBytes {
        double of(Segment segment);
    }

    /// Returns an estimate for a family that computes while it loads: an equal part of every
    /// matrix, without tables of ropes.
    static ShardWeights evenPart(Checkpoint checkpoint, int size) {
        Map<Segment, Integer> matrices = new HashMap<>();
        checkpoint
                .matrixValues()
                .forEach(
                        (type, values) -> {
                            long rows = Math.ceilDiv(values, (long) size * ESTIMATED_COLUMNS);
                            var all =
                                    new Segment(type, Math.toIntExact(rows), ESTIMATED_COLUMNS, 0);
                            matrices.put(all, 1);
                        });
        return new ShardWeights(matrices, List.of(), 0, 0);
    }

    /// Returns the bytes of all matrices.
    long matrixBytes(SegmentBytes each) {
        return (long)
                matrices.entrySet().stream()
                        .mapToDouble(entry -> entry.getValue() * each.of(entry.getKey()))
                        .sum();
    }

    /// Returns the bytes of matrices, embeddings and vectors, without those of positions, in the
    /// memory of a device. An embedding that is read in its mapped file takes none, only a row
    /// number for each token.
    long bytes(DeviceCapabilities device, SegmentBytes each) {
        long bytes = matrixBytes(each) + vectorBytes;
        for (Table table : tables) {
            if (device.mapsEmbeddings()) {
                bytes += (long) table.rows() * Integer.BYTES;
            }
            bytes += table.decoded() || !device.mapsEmbeddings() ? table.bytes() : 0;
        }
        return bytes;
    }
}

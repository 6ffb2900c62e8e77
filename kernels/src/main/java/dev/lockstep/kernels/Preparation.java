// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.TensorType;
import java.util.List;
import java.util.Optional;

/// What a model prepares once, when it loads; [Kernels] with ops run on it.
public interface Preparation {

    /// Packs the segments for [Kernels#matmul] and concatenates their rows. `compute` is one of the
    /// device's compute types; [DeviceCapabilities#multiplied] says how quantized types use it.
    PackedWeight prepare(List<WeightRows> segments, DType compute);

    /// Returns the device bytes of a segment that [#prepare] packs.
    ///
    /// @param skipped see [WeightRows#skippedColumns]
    long packedBytes(TensorType type, DType compute, int rows, int columns, int skipped);

    EmbeddingTable prepareEmbedding(WeightRows table);

    /// Prepares packed experts for [Kernels#experts]; their weights stay where they are.
    ExpertSet prepareExperts(ExpertLayer layer);

    /// Prepares a vector of at least one value, such as the weight of a norm: one row, as F32.
    Tensor prepareVector(float[] values);

    /// Prepares a value for every position that is served.
    default Tensor preparePositions(float[] values) {
        return prepareVector(values);
    }

    /// Prepares tables of `[positions][dimensions / 2]`.
    RotaryTable prepareRotary(float[][] cos, float[][] sin);

    AttentionBackend attention(AttentionShape shape, KvLayout layout);

    /// Returns attention of expanded rows over a cache of this layout; empty on a device that has
    /// none, see [DeviceCapabilities#expandsLatents].
    Optional<ExpandedAttention> expandedAttention(ExpandedHeads heads, KvLayout layout);
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// The memory of a GPU that a rank keeps free for what is allocated after its KV blocks are
/// counted, besides activations.
///
/// @param scratch of ops
/// @param sampler counts of tokens and what a step samples from
/// @param graphs recorded decode steps
/// @param nccl buffers of NCCL; 0 for one rank
public record GpuReserve(long scratch, long sampler, long graphs, long nccl) {
    private static final long SCRATCH = 192L << 20;
    private static final long GRAPHS = 64L << 20;
    private static final long GRAPH = 4L << 20;
    private static final long NCCL = 256L << 20;

    /// Bytes for each token of the vocabulary and each sequence.
    private static final long SAMPLER_BYTES = 3L * Integer.BYTES;

    /// Estimates the reserve of one rank.
    ///
    /// @param sequences the most that run at once
    /// @param ranks of the group
    public static GpuReserve of(
            DeviceSettings device, int sequences, int vocabularySize, int ranks) {
        return new GpuReserve(
                SCRATCH,
                SAMPLER_BYTES * sequences * vocabularySize,
                device.graphs() ? GRAPHS + GRAPH * DecodeSizes.upTo(sequences).size() : 0,
                ranks > 1 ? NCCL : 0);
    }

    public long bytes() {
        return scratch + sampler + graphs + nccl;
    }

    /// Describes the parts for the bill.
    String describe() {
        return "scratch %d MiB, sampler %d MiB, graphs %d MiB, NCCL %d MiB"
                .formatted(scratch >> 20, sampler >> 20, graphs >> 20, nccl >> 20);
    }
}

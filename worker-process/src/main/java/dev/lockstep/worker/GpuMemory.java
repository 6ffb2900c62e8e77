// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.function.LongSupplier;

/// What a rank may use of its GPU.
///
/// @param free the bytes that can be allocated now
/// @param total bytes of the GPU
/// @param utilization the part of them that may be used, by all processes together
record GpuMemory(LongSupplier free, long total, double utilization, GpuReserve reserve) {

    /// Returns the bytes that can be allocated now and are in no reserve.
    long available() {
        return free.getAsLong() - (total - (long) (utilization * total)) - reserve.bytes();
    }

    /// Returns the bytes for KV blocks once the weights are loaded: those that were asked for, or
    /// what activations leave. Throws the bill if they do not fit or hold no sequence.
    ///
    /// @param asked bytes of KV blocks; 0 for what is left
    long kvBytes(MemoryPlan plan, long asked, long weights) {
        long activations = plan.ranks().getFirst().activations();
        long left = available() - activations;
        long kv = asked > 0 ? asked : Math.max(0, left);
        long needed = plan.kv().bytesFor(plan.maxModelLen());
        if (kv > left || kv < needed) {
            int holds = plan.kv().maxTokens(Math.max(0, left));
            throw new TooLittleMemoryException(
                    ("of %d MiB of GPU memory, weights take %d MiB, activations of %d sequences %d MiB, %s;"
                                    + " %d MiB are left for KV blocks, a sequence of %,d tokens takes %d MiB: %s")
                            .formatted(
                                    total >> 20,
                                    weights >> 20,
                                    plan.maxNumSeqs(),
                                    activations >> 20,
                                    reserve.describe(),
                                    Math.max(0, left) >> 20,
                                    plan.maxModelLen(),
                                    needed >> 20,
                                    holds < 2
                                            ? "lower --max-num-seqs or --max-num-batched-tokens"
                                            : "--max-model-len=%d would fit".formatted(holds)));
        }
        return kv;
    }
}

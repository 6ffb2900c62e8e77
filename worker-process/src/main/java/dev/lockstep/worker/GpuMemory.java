// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.OutOfDeviceMemoryException;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// What a rank may use of its GPU.
///
/// @param free the bytes that can be allocated now
/// @param total bytes of the GPU
/// @param utilization the part of them that may be used, by all processes together
record GpuMemory(LongSupplier free, long total, double utilization, GpuReserve reserve) {
    private static final Logger LOG = LogManager.getLogger(GpuMemory.class);

    /// Returns the bytes that can be allocated now and are in no reserve.
    long available() {
        return free.getAsLong() - unusable() - reserve.bytes();
    }

    /// Returns the bytes for KV blocks once the weights are loaded: those that were asked for, or
    /// what the largest step leaves, or none where sequences keep nothing. Throws the bill if they
    /// do not fit or hold no sequence.
    ///
    /// @param asked bytes of KV blocks; 0 for what is left
    /// @param largestStep runs the largest step
    long kvBytes(MemoryPlan plan, long asked, long weights, Supplier<StepMemory> largestStep) {
        StepMemory step;
        try {
            step = largestStep.get();
        } catch (OutOfDeviceMemoryException e) {
            throw new TooLittleMemoryException(
                    "%s; the largest step does not fit, %s: lower --max-num-seqs or --max-num-batched-tokens"
                            .formatted(bill(plan, weights), e.getMessage()));
        }
        report(step, billed(plan));
        long left = step.during() - unusable() - reserve.graphs() - reserve.nccl();
        long needed = plan.kv().bytesFor(plan.maxModelLen());
        long wanted = plan.kv().kept() ? Math.max(0, left) : needed;
        long kv = asked > 0 ? asked : wanted;
        if (kv > left || kv < needed) {
            throw tooLittleKv(plan, asked, weights, step, left);
        }
        return kv;
    }

    private TooLittleMemoryException tooLittleKv(
            MemoryPlan plan, long asked, long weights, StepMemory step, long left) {
        long needed = plan.kv().bytesFor(plan.maxModelLen());
        return new TooLittleMemoryException(
                "%s; the largest step took %d MiB, %d MiB are left for KV blocks, %s: %s"
                        .formatted(
                                bill(plan, weights),
                                step.taken() >> 20,
                                Math.max(0, left) >> 20,
                                asked > left
                                        ? "--kv-memory is %d MiB".formatted(asked >> 20)
                                        : "a sequence of %,d tokens takes %d MiB"
                                                .formatted(plan.maxModelLen(), needed >> 20),
                                remedy(plan, Math.max(0, left), needed)));
    }

    /// Returns settings that fit into `left` bytes.
    private static String remedy(MemoryPlan plan, long left, long needed) {
        int holds = plan.kv().maxTokens(left);
        if (holds < 2) {
            return "lower --max-num-seqs or --max-num-batched-tokens";
        }
        return left >= needed
                ? "--kv-memory=%dK would fit".formatted(left >> 10)
                : "--max-model-len=%d would fit".formatted(holds);
    }

    /// Says what the largest step takes, and whether the bill was too small for it.
    private static void report(StepMemory step, long billed) {
        if (step.exceeds(billed)) {
            LOG.warn(
                    "the largest step takes {} MiB of GPU memory, the bill has {} MiB: KV blocks get less",
                    step.taken() >> 20,
                    billed >> 20);
        } else {
            LOG.info(
                    "the largest step takes {} MiB of GPU memory, the bill has {} MiB",
                    step.taken() >> 20,
                    billed >> 20);
        }
    }

    /// Returns what the bill has for the largest step.
    private long billed(MemoryPlan plan) {
        return plan.ranks().getFirst().activations() + reserve.scratch() + reserve.sampler();
    }

    private String bill(MemoryPlan plan, long weights) {
        return "of %d MiB of GPU memory, weights take %d MiB, activations of %d sequences %d MiB, %s"
                .formatted(
                        total >> 20,
                        weights >> 20,
                        plan.maxNumSeqs(),
                        plan.ranks().getFirst().activations() >> 20,
                        reserve.describe());
    }

    private long unusable() {
        return total - (long) (utilization * total);
    }
}

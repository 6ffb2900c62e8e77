// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.model.Model;
import dev.lockstep.nccl.Communicator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Runs the largest step of a rank once, before its KV blocks are counted, to measure the device
/// memory that it takes.
///
/// A rank does it alone, since the group forms only once every rank has said how many blocks it
/// holds: collectives move nothing, and the rank computes with its own sums. No blocks are kept
/// yet; the step writes to one of its own.
final class LargestStep {
    /// The null block, and one that all rows share.
    private static final int BLOCKS = 2;

    private final Model model;
    private final Kernels kernels;
    private final SessionLimits limits;

    LargestStep(Model model, Kernels kernels, SessionLimits limits) {
        this.model = model;
        this.kernels = kernels;
        this.limits = limits;
    }

    /// Runs the step. What ops and products have reserved for it remains.
    ///
    /// @throws dev.lockstep.kernels.OutOfDeviceMemoryException if it does not fit
    StepMemory measure() {
        long before = kernels.freeBytes();
        kernels.reserve(limits.maxTokens(), limits.maxSequences(), limits.maxPositions());
        Map<KvLayout, PagedKv> pools = new HashMap<>();
        try {
            long withoutKv = kernels.freeBytes();
            List<PagedKv> kv =
                    model.kvLayouts().stream()
                            .map(
                                    layout ->
                                            pools.computeIfAbsent(
                                                    layout,
                                                    each -> kernels.allocateKv(each, BLOCKS)))
                            .toList();
            long kvBytes = withoutKv - kernels.freeBytes();
            return new StepMemory(before, Math.min(before, run(kv) + kvBytes));
        } finally {
            pools.values().forEach(PagedKv::close);
        }
    }

    /// Returns the free bytes after the step, of which nothing has been freed.
    private long run(List<PagedKv> kv) {
        Communicator absent = new AbsentPeers(kernels, model.shard().rank(), model.shard().size());
        // The session closes the communicator.
        try (var session = new Session(0, model, kernels, absent, kv, new HeldBlocks(kv), limits)) {
            new WarmUp(kernels, session, BLOCKS).largest();
            return kernels.freeBytes();
        }
    }
}

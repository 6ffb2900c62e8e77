// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Model;
import dev.lockstep.nccl.Communicator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The loaded shard of this process, which outlives the epochs of a group; opens a [Session] for
/// each epoch.
///
/// Belongs to the step thread once the worker has started.
final class Rank implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(Rank.class);

    private final Model model;
    private final Kernels kernels;
    private final Connector connector;
    private final RankLimits limits;
    private final List<PagedKv> kv = new ArrayList<>();
    private HeldBlocks held = new HeldBlocks(kv);
    private byte[] hashKey = {};
    private StepBudget measured = StepBudget.given(1);

    /// The limits of a rank.
    ///
    /// @param maxPositions upper bound of prompt and output tokens of a sequence
    /// @param promptSpan as in [SessionLimits]
    /// @param maxBatchedTokens upper bound of a step's tokens if a formation leaves it to
    ///   measurement
    /// @param kvBytes upper bound of the memory of KV blocks
    /// @param graphs whether decode steps are recorded where the device can
    record RankLimits(
            int maxPositions,
            int blockSize,
            int promptSpan,
            int maxBatchedTokens,
            long kvBytes,
            boolean graphs) {}

    Rank(Model model, Kernels kernels, Connector connector, RankLimits limits) {
        this.model = model;
        this.kernels = kernels;
        this.connector = connector;
        this.limits = limits;
    }

    boolean isLast() {
        return model.shard().rank() == model.shard().size() - 1;
    }

    Kernels kernels() {
        return kernels;
    }

    Connector connector() {
        return connector;
    }

    /// Returns the KV blocks of each KV group.
    List<PagedKv> kv() {
        return List.copyOf(kv);
    }

    int promptSpan() {
        return limits.promptSpan;
    }

    /// Returns the number of blocks of every pool, the null block included. KV groups with equal
    /// block layouts share a pool: a block belongs to one group at a time.
    int kvBlocks() {
        long perBlock = bytesPerBlock();
        return perBlock == 0
                ? Integer.MAX_VALUE
                : (int) Math.min(Integer.MAX_VALUE, limits.kvBytes / perBlock);
    }

    long kvBytes() {
        return new HashSet<>(kv)
                .stream().mapToLong(each -> each.layout().bytesPerBlock() * each.blocks()).sum();
    }

    /// Returns the bytes of one block of every pool together.
    long bytesPerBlock() {
        return model.kvLayouts().stream().distinct().mapToLong(KvLayout::bytesPerBlock).sum();
    }

    /// Opens the session of an epoch. Throws if a limit of the formation is too small or exceeds
    /// this rank's KV blocks.
    ///
    /// @param abortReason of the epoch, see [Connector#connect]
    Session open(StepRunner.Formation formation, Supplier<String> abortReason) {
        return open(formation, abortReason, () -> false);
    }

    /// @param flips whether a bit of the residual flips, as in [ResidualChecks]
    Session open(
            StepRunner.Formation formation, Supplier<String> abortReason, BooleanSupplier flips) {
        int tokens = formation.maxBatchedTokens().orElse(limits.maxBatchedTokens);
        var session =
                new SessionLimits(
                        tokens,
                        formation.maxSequences(),
                        limits.maxPositions,
                        limits.blockSize,
                        limits.promptSpan);
        if (formation.maxSequences() < 1 || tokens < 1) {
            throw new IllegalArgumentException(
                    "a group of %d sequences at once and %d tokens a step"
                            .formatted(formation.maxSequences(), tokens));
        }
        if (formation.kvBlocks() < 2 || formation.kvBlocks() > kvBlocks()) {
            throw new IllegalArgumentException(
                    "a group of %d KV blocks, this rank holds from 2 to %d"
                            .formatted(formation.kvBlocks(), kvBlocks()));
        }
        boolean kept = holdBlocks((int) formation.kvBlocks());
        if (formation.keepBlocks() && !kept) {
            throw new IllegalArgumentException(
                    "cannot keep %d KV blocks, this rank held another number"
                            .formatted(formation.kvBlocks()));
        }
        reserve(session);
        long bytes =
                ActivationBuffers.collectiveBytes(
                        model, kernels.activationType(), tokens, formation.maxSequences());
        Communicator communicator = connector.connect(formation, bytes, abortReason);
        try {
            return new Session(
                    formation.epoch(),
                    model,
                    kernels,
                    communicator,
                    kv,
                    held,
                    session,
                    new ResidualChecks(formation.checkInterval(), flips));
        } catch (RuntimeException e) {
            communicator.close();
            throw e;
        }
    }

    /// Returns the full blocks of earlier epochs. Names that were computed under another key are
    /// removed first.
    HeldBlocks held(byte[] key) {
        if (!Arrays.equals(key, hashKey)) {
            held.clear();
            hashKey = key.clone();
        }
        return held;
    }

    /// Warms up a new session and returns the budget of a step. Decode steps are recorded on rows
    /// that write nothing; the rest writes to blocks, so a formation that keeps blocks skips it.
    StepBudget warm(Session session, StepRunner.Formation formation) {
        if (limits.graphs && session.generates()) {
            SessionLimits steps = session.limits();
            session.record(DecodeSizes.upTo(Math.min(steps.maxSequences(), steps.maxTokens())));
        }
        if (formation.keepBlocks()) {
            return formation.maxBatchedTokens().map(StepBudget::given).orElse(measured);
        }
        held.clear();
        var warmUp = new WarmUp(kernels, session, (int) formation.kvBlocks());
        if (formation.maxBatchedTokens().isPresent()) {
            warmUp.warm();
            return StepBudget.given(formation.maxBatchedTokens().get());
        }
        measured = warmUp.measure();
        return measured;
    }

    /// Allocates the scratch memory of ops, so that no step does.
    private void reserve(SessionLimits session) {
        long before = kernels.allocatedBytes();
        try {
            kernels.reserve(session.maxTokens(), session.maxSequences(), session.maxPositions());
        } catch (OutOfDeviceMemoryException e) {
            throw new TooLittleMemoryException(
                    "a step of %d tokens: %s, lower --max-num-batched-tokens"
                            .formatted(session.maxTokens(), e.getMessage()));
        }
        LOG.info(
                "a step of {} tokens has {} KiB more of scratch memory",
                session.maxTokens(),
                (kernels.allocatedBytes() - before) >> 10);
    }

    /// Keeps the blocks of the previous epoch and returns true if their number is `blocks`;
    /// allocates new ones otherwise.
    private boolean holdBlocks(int blocks) {
        if (kv.size() == model.kvLayouts().size()
                && kv.stream().allMatch(each -> each.blocks() == blocks)) {
            return true;
        }
        close(kv);
        Map<KvLayout, PagedKv> pools = new HashMap<>();
        for (KvLayout layout : model.kvLayouts()) {
            kv.add(pools.computeIfAbsent(layout, each -> kernels.allocateKv(each, blocks)));
        }
        held = new HeldBlocks(kv);
        return false;
    }

    /// Closes the blocks and clears the list, because the next allocation may fail.
    private static void close(List<PagedKv> kv) {
        new HashSet<>(kv).forEach(PagedKv::close);
        kv.clear();
    }

    @Override
    public void close() {
        close(kv);
        kernels.close();
    }
}

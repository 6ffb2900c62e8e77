package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
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
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// This process's shard, loaded: what outlives a group's epochs. Opens a [Session] for each.
///
/// Belongs to the step thread once the worker has started.
final class Rank implements AutoCloseable {
    private static final Logger log = LogManager.getLogger(Rank.class);

    private final Model model;
    private final Kernels kernels;
    private final Connector connector;
    private final RankLimits limits;
    private final List<PagedKv> kv = new ArrayList<>();
    private HeldBlocks held = new HeldBlocks(kv);
    private byte[] hashKey = {};
    private StepBudget measured = new StepBudget(1, 0);

    /// Builds the communicator of an epoch.
    @FunctionalInterface
    interface Connector {
        /// Meets the other ranks.
        ///
        /// @param bytes collective memory this rank will allocate from it
        Communicator connect(StepRunner.Formation formation, long bytes);
    }

    /// @param maxPositions prompt and output of a sequence
    /// @param mostBatchedTokens a step's bound when the chunk is measured
    /// @param kvBytes what KV blocks may take
    record RankLimits(int maxPositions, int blockSize, int mostBatchedTokens, long kvBytes) {}

    Rank(Model model, Kernels kernels, Connector connector, RankLimits limits) {
        this.model = model;
        this.kernels = kernels;
        this.connector = connector;
        this.limits = limits;
    }

    Kernels kernels() {
        return kernels;
    }

    /// Blocks the KV memory holds, the null block included; every pool gets as many. KV groups
    /// whose blocks are alike share a pool: a block is one group's at a time.
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

    /// Bytes of one block of every pool.
    long bytesPerBlock() {
        return model.kvLayouts().stream().distinct().mapToLong(KvLayout::bytesPerBlock).sum();
    }

    /// Refuses a group that has no room, or more than this rank said it holds.
    Session open(StepRunner.Formation formation) {
        int tokens = formation.maxBatchedTokens().orElse(limits.mostBatchedTokens);
        SessionLimits session =
                new SessionLimits(
                        tokens, formation.maxSequences(), limits.maxPositions, limits.blockSize);
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
                    "asked to keep %d KV blocks, held another number"
                            .formatted(formation.kvBlocks()));
        }
        long bytes =
                ActivationBuffers.collectiveBytes(
                        model, kernels.activationType(), tokens, formation.maxSequences());
        Communicator communicator = connector.connect(formation, bytes);
        try {
            return new Session(formation.epoch(), model, kernels, communicator, kv, held, session);
        } catch (RuntimeException e) {
            communicator.close();
            throw e;
        }
    }

    /// The blocks that are full from earlier epochs, by their names under this key; names made
    /// under another one mean nothing.
    HeldBlocks held(byte[] key) {
        if (!Arrays.equals(key, hashKey)) {
            held.clear();
            hashKey = key.clone();
        }
        return held;
    }

    /// Warms a new session and returns what a step may hold. Warming writes to blocks, so it is
    /// left out where some are kept.
    StepBudget warm(Session session, StepRunner.Formation formation) {
        if (formation.keepBlocks()) {
            return formation
                    .maxBatchedTokens()
                    .map(tokens -> new StepBudget(tokens, 0))
                    .orElse(measured);
        }
        held.clear();
        WarmUp warmUp = new WarmUp(kernels, session, (int) formation.kvBlocks());
        requireScratch(session, warmUp.dummyStep());
        if (formation.maxBatchedTokens().isPresent()) {
            warmUp.warm();
            return new StepBudget(formation.maxBatchedTokens().get(), 0);
        }
        measured = warmUp.measure();
        return measured;
    }

    /// Activations are computed and taken when a session opens; the scratch memory of ops grows
    /// with the tokens of a step. Refuses a session whose largest step would not find it, judged by
    /// a small one.
    private void requireScratch(Session session, int tokens) {
        long scratch = session.scratchBytes();
        int most = session.limits().maxTokens();
        long missing = scratch * (most - tokens) / tokens;
        log.info("a step of {} tokens took {} KiB of scratch memory", tokens, scratch >> 10);
        long available = HostMemory.availableBytes();
        if (missing > available) {
            throw new OutOfHostMemoryException(
                    "a step of %d tokens needs %d MiB more of scratch memory, %d MiB are free: lower --max-num-batched-tokens"
                            .formatted(most, missing >> 20, available >> 20));
        }
    }

    /// Keeps the blocks of the epoch before when there are as many; says whether it did.
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

    /// Forgets what it closes: the next attempt to allocate may fail.
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

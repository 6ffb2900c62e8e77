package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.model.Activations;
import dev.lockstep.model.Model;
import dev.lockstep.nccl.Communicator;
import java.util.ArrayList;
import java.util.List;

/// This process's shard, loaded: what outlives a group's epochs. Opens a [Session] for each.
///
/// Belongs to the step thread once the worker has started.
final class Rank implements AutoCloseable {
    private final Model model;
    private final Kernels kernels;
    private final Connector connector;
    private final RankLimits limits;
    private List<PagedKv> kv = List.of();

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

    /// Blocks the KV memory holds, the null block included; every KV group gets as many.
    int kvBlocks() {
        long perBlock = model.kvLayouts().stream().mapToLong(KvLayout::bytesPerBlock).sum();
        return perBlock == 0
                ? Integer.MAX_VALUE
                : (int) Math.min(Integer.MAX_VALUE, limits.kvBytes / perBlock);
    }

    long kvBytes() {
        return kv.stream().mapToLong(each -> each.layout().bytesPerBlock() * each.blocks()).sum();
    }

    Session open(StepRunner.Formation formation) {
        int tokens = formation.maxBatchedTokens().orElse(limits.mostBatchedTokens);
        SessionLimits session =
                new SessionLimits(
                        tokens, formation.maxSequences(), limits.maxPositions, limits.blockSize);
        holdBlocks(formation.kvBlocks());
        long bytes =
                Activations.collectiveBytes(
                        model, kernels.activationType(), tokens, formation.maxSequences());
        Communicator communicator = connector.connect(formation, bytes);
        try {
            return new Session(formation.epoch(), model, kernels, communicator, kv, session);
        } catch (RuntimeException e) {
            communicator.close();
            throw e;
        }
    }

    /// Warms a new session and returns the tokens a step may hold.
    int warm(Session session, StepRunner.Formation formation) {
        WarmUp warmUp = new WarmUp(kernels, session, formation.kvBlocks());
        if (formation.maxBatchedTokens().isPresent()) {
            warmUp.warm();
            return formation.maxBatchedTokens().get();
        }
        return warmUp.measureChunk();
    }

    /// Keeps the blocks of the epoch before when there are as many.
    private void holdBlocks(int blocks) {
        if (kv.size() == model.kvLayouts().size() && kv.getFirst().blocks() == blocks) {
            return;
        }
        kv.forEach(PagedKv::close);
        List<PagedKv> allocated = new ArrayList<>();
        for (KvLayout layout : model.kvLayouts()) {
            allocated.add(kernels.allocateKv(layout, blocks));
        }
        kv = List.copyOf(allocated);
    }

    @Override
    public void close() {
        kv.forEach(PagedKv::close);
        kernels.close();
    }
}

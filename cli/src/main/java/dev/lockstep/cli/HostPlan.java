package dev.lockstep.cli;

import dev.lockstep.kernels.DType;
import dev.lockstep.model.ModelSource;
import dev.lockstep.worker.HostMemory;
import dev.lockstep.worker.WorkerConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// How the totals of one host, threads and KV memory, are divided over its ranks.
///
/// @param oversubscribed more compute threads than cores: nobody spins
record HostPlan(List<RankPlan> ranks, int cores, boolean oversubscribed) {

    /// @param cpus to pin to; empty pins nobody
    record RankPlan(int threads, List<Integer> cpus, long kvBytes) {
        RankPlan {
            cpus = List.copyOf(cpus);
        }
    }

    HostPlan {
        ranks = List.copyOf(ranks);
    }

    /// @param cores CPU numbers this host gives us
    static HostPlan of(
            ModelSource source,
            int size,
            List<Integer> cores,
            Optional<Integer> threads,
            Optional<Long> kvMemory,
            DType kvType,
            int maxSequences,
            int maxModelLen) {
        int total = Math.max(size, threads.orElse(cores.size()));
        boolean oversubscribed = total > cores.size();
        long[] perToken = new long[size];
        long allRanks = 0;
        for (int rank = 0; rank < size; rank++) {
            perToken[rank] = source.kvBytesPerToken(source.shard(rank, size), kvType);
            allRanks += perToken[rank];
        }
        long perBlock = allRanks * WorkerConfig.BLOCK_SIZE;
        long kvBytes =
                kvMemory.orElse(
                        HostMemory.defaultKvBytes(
                                HostMemory.availableBytes(), allRanks, maxSequences, maxModelLen));
        long blocks = kvBytes / perBlock;
        if (blocks < 2) {
            throw new UnusableException(
                    "--kv-memory holds %d KV blocks of %d bytes; at least 2 are needed (one is the null block)"
                            .formatted(blocks, perBlock));
        }
        List<RankPlan> ranks = new ArrayList<>();
        int cpu = 0;
        for (int rank = 0; rank < size; rank++) {
            int own = total / size + (rank < total % size ? 1 : 0);
            List<Integer> cpus = new ArrayList<>();
            for (int i = 0; i < own && !oversubscribed; i++) {
                cpus.add(cores.get(cpu++));
            }
            ranks.add(new RankPlan(own, cpus, blocks * perToken[rank] * WorkerConfig.BLOCK_SIZE));
        }
        return new HostPlan(ranks, cores.size(), oversubscribed);
    }
}

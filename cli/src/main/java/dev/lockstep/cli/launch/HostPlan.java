package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.worker.WorkerConfig;
import java.util.ArrayList;
import java.util.List;

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

    /// @param kvBytesPerToken of each rank
    /// @param cores CPU numbers this host gives us
    /// @param threads at least one a rank, whatever is asked
    static HostPlan of(List<Long> kvBytesPerToken, List<Integer> cores, int threads, long kvBytes) {
        int size = kvBytesPerToken.size();
        int total = Math.max(size, threads);
        boolean oversubscribed = total > cores.size();
        long perBlock =
                WorkerConfig.BLOCK_SIZE * kvBytesPerToken.stream().mapToLong(Long::longValue).sum();
        long blocks = kvBytes / perBlock;
        if (blocks < 2) {
            throw new UnusableException(
                    "%d bytes of KV memory hold %d KV blocks of %d bytes, at least 2 are needed (one is the null block): raise --kv-memory"
                            .formatted(kvBytes, blocks, perBlock));
        }
        List<RankPlan> ranks = new ArrayList<>();
        int cpu = 0;
        for (int rank = 0; rank < size; rank++) {
            int own = total / size + (rank < total % size ? 1 : 0);
            List<Integer> cpus = new ArrayList<>();
            for (int i = 0; i < own && !oversubscribed; i++) {
                cpus.add(cores.get(cpu++));
            }
            ranks.add(
                    new RankPlan(
                            own,
                            cpus,
                            blocks * kvBytesPerToken.get(rank) * WorkerConfig.BLOCK_SIZE));
        }
        return new HostPlan(ranks, cores.size(), oversubscribed);
    }
}

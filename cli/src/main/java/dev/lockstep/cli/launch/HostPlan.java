// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.worker.WorkerConfig;
import java.util.ArrayList;
import java.util.List;

/// The division of one host's threads and KV memory between its ranks.
///
/// @param oversubscribed more compute threads than cores: no thread may spin
record HostPlan(List<RankPlan> ranks, int cores, boolean oversubscribed) {

    /// The share of one rank.
    ///
    /// @param cpus CPUs to pin its threads to; empty pins no thread
    /// @param kvBytes bytes of its KV memory, a whole number of blocks
    record RankPlan(int threads, List<Integer> cpus, long kvBytes) {
        RankPlan {
            cpus = List.copyOf(cpus);
        }
    }

    HostPlan {
        ranks = List.copyOf(ranks);
    }

    /// Divides threads evenly, and KV memory in whole blocks by each rank's bytes per token.
    ///
    /// @param kvBytesPerToken of each rank
    /// @param cores the CPUs that this process may use
    /// @param threads total of the host; raised to one per rank
    /// @param kvBytes total of the host
    /// @throws UnusableException when the KV memory holds fewer than 2 blocks
    static HostPlan of(List<Long> kvBytesPerToken, HostCpus cores, int threads, long kvBytes) {
        int size = kvBytesPerToken.size();
        int total = Math.max(size, threads);
        boolean oversubscribed = total > cores.count();
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
            for (int i = 0; i < own && !oversubscribed && !cores.pinnable().isEmpty(); i++) {
                cpus.add(cores.pinnable().get(cpu++));
            }
            ranks.add(
                    new RankPlan(
                            own,
                            cpus,
                            blocks * kvBytesPerToken.get(rank) * WorkerConfig.BLOCK_SIZE));
        }
        return new HostPlan(ranks, cores.count(), oversubscribed);
    }
}

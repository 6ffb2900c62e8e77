// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// The processes of one group, and what they have agreed on for all epochs.
final class SimulatedReplicas {
    private final String name;
    private final Policies policies;
    private final WaitingLimits limits = new WaitingLimits(200, 20_000);
    private final int sequences;
    private final int tokens;
    private final int blocks;
    private final List<KvGroupShape> kvGroups;
    private final List<SimulatedRank> ranks = new ArrayList<>();
    private final List<SimulatedScheduler> schedulers = new ArrayList<>();
    private boolean served;

    SimulatedReplicas(Random random, String name) {
        this.name = name;
        policies =
                new Policies(
                        random.nextInt(3) > 0 ? "maximum-utilization" : "guaranteed-no-evict",
                        random.nextInt(3) > 0 ? "fcfs" : "equal-progress",
                        List.of("fcfs", "priority", "longest-prefix", "fair")
                                .get(random.nextInt(4)),
                        Map.of(),
                        random.nextInt(4) > 0);
        sequences = 2 + random.nextInt(10);
        tokens = 4 + random.nextInt(40);
        blocks = 30 + random.nextInt(60);
        List<KvGroupShape> paged =
                random.nextInt(3) > 0
                        ? List.of(KvGroupShape.full(64))
                        : List.of(
                                KvGroupShape.full(64),
                                new KvGroupShape(KvGroupShape.Kind.WINDOW, 12, 64, 1));
        kvGroups = sequences % 3 == 0 ? SimulatedGroup.withStates(paged) : paged;
    }

    String name() {
        return name;
    }

    Policies policies() {
        return policies;
    }

    WaitingLimits limits() {
        return limits;
    }

    int kvGroups() {
        return shape(1).pagedGroups().size();
    }

    GroupShape shape(long epoch) {
        int span = sequences % 2 * 8;
        return new GroupShape(epoch, sequences, tokens, 0, 0, 120, 4, span, blocks, kvGroups);
    }

    /// The ranks, of which a dead one stays until it is replaced.
    List<SimulatedRank> ranks() {
        return ranks;
    }

    boolean allRanksLive() {
        return ranks.stream().allMatch(SimulatedProcess::alive);
    }

    List<SimulatedScheduler> schedulers() {
        return schedulers;
    }

    /// Whether an epoch was formed before.
    boolean hasServed() {
        return served;
    }

    void served() {
        served = true;
    }
}

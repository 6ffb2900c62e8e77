// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;

/// The faults of a simulated cluster: up to six at random times; in every second run all of one
/// kind, which no accepted request may feel. ZooKeeper comes back empty only where nothing else
/// fails: someone must know the last epoch.
final class Faults {
    private static final List<Happening> KINDS =
            List.copyOf(EnumSet.range(Happening.RANK_KILLED, Happening.SESSION_LOST));

    private static final List<Happening> KINDS_ALONE =
            List.copyOf(EnumSet.range(Happening.RANK_KILLED, Happening.ZOOKEEPER_WIPED));

    /// What a coordinator notices by the heartbeat of its stream to a scheduler.
    private static final long SILENT = VirtualTime.millis(3_000);

    private static final long SESSION_TIMEOUT = VirtualTime.millis(6_000);

    private final ClusterSimulation cluster;
    private final Random random;
    private final VirtualTime time;
    private final Set<SimulatedProcess> unreachable = new HashSet<>();
    private final Set<Happening> kinds = EnumSet.noneOf(Happening.class);
    private int open;
    private int planned;

    /// @param until the time of the last request
    Faults(ClusterSimulation cluster, Random random, long until) {
        this.cluster = cluster;
        this.random = random;
        this.time = cluster.time();
        boolean alike = random.nextBoolean();
        Happening kind = KINDS_ALONE.get(random.nextInt(KINDS_ALONE.size()));
        planned = random.nextInt(alike ? 4 : 7);
        open = planned;
        for (int i = 0; i < planned; i++) {
            Happening each = alike ? kind : KINDS.get(random.nextInt(KINDS.size()));
            time.at(
                    VirtualTime.millis(600) + random.nextLong(until + VirtualTime.millis(1000)),
                    () -> {
                        begin(each);
                        open--;
                    });
        }
    }

    /// In some runs a scheduler stands still between its new epoch and the workers, while another
    /// one is elected.
    void mayPauseWithFreshEpoch(SimulatedScheduler scheduler) {
        if (many() && open > 0 && random.nextInt(8) == 0) {
            kinds.add(Happening.SCHEDULER_PAUSED);
            pause(scheduler, Happening.SCHEDULER_PAUSED);
            scheduler.loseSession();
        }
    }

    /// How long a change in ZooKeeper takes to reach a process.
    long coordinationDelay() {
        return time.between(0, any() && random.nextInt(4) == 0 ? 5000 : 60);
    }

    boolean over() {
        return open == 0;
    }

    boolean any() {
        return !kinds.isEmpty();
    }

    boolean many() {
        return planned > 3;
    }

    /// Whether schedulers and coordinators may have failed at the same time.
    boolean mayLoseRequests() {
        return mayBreakClients() && kinds.size() > 1;
    }

    boolean mayBreakClients() {
        return kinds.contains(Happening.COORDINATOR_KILLED)
                || kinds.contains(Happening.COORDINATOR_PAUSED);
    }

    boolean reachable(SimulatedProcess process) {
        return !unreachable.contains(process);
    }

    private void begin(Happening kind) {
        kinds.add(kind);
        switch (kind) {
            case RANK_KILLED -> any(ranks(), SimulatedProcess::alive).ifPresent(this::kill);
            case ALL_RANKS_KILLED -> {
                cluster.happened(kind);
                List.copyOf(any(cluster.groups(), _ -> true).orElseThrow().ranks()).stream()
                        .filter(SimulatedProcess::alive)
                        .forEach(this::restart);
            }
            case RANK_PAUSED -> any(ranks(), this::runs).ifPresent(one -> pause(one, kind));
            case SCHEDULER_KILLED ->
                    any(cluster.schedulers(), SimulatedProcess::alive).ifPresent(this::kill);
            case SCHEDULER_PAUSED ->
                    any(cluster.schedulers(), this::runs).ifPresent(this::pauseScheduler);
            case COORDINATOR_KILLED ->
                    any(cluster.coordinators(), SimulatedProcess::alive).ifPresent(this::kill);
            case COORDINATOR_PAUSED ->
                    any(cluster.coordinators(), this::runs).ifPresent(one -> pause(one, kind));
            case RANK_STREAM_CUT ->
                    wire(wire -> wire.server() instanceof SimulatedRank)
                            .ifPresent(
                                    wire -> {
                                        cluster.happened(kind);
                                        wire.cut();
                                    });
            case REQUEST_STREAM_CUT ->
                    wire(wire -> wire.client() instanceof SimulatedCoordinator)
                            .ifPresent(
                                    wire -> {
                                        cluster.happened(kind);
                                        wire.cut();
                                    });
            case REQUEST_STREAM_STALLED ->
                    wire(wire -> wire.client() instanceof SimulatedCoordinator)
                            .ifPresent(
                                    wire -> {
                                        cluster.happened(kind);
                                        wire.stall(time.between(500, 20_000));
                                    });
            case SESSION_LOST ->
                    any(cluster.schedulers(), SimulatedProcess::alive)
                            .ifPresent(
                                    one -> {
                                        cluster.happened(kind);
                                        one.loseSession();
                                    });
            case ZOOKEEPER_WIPED -> {
                cluster.happened(kind);
                cluster.wipeZooKeeper();
                later(time.between(0, 5000), cluster::restoreZooKeeper);
            }
            default -> throw new IllegalStateException(kind + " is no fault");
        }
    }

    private boolean runs(SimulatedProcess process) {
        return process.alive() && !process.paused();
    }

    private List<SimulatedRank> ranks() {
        return cluster.groups().stream().flatMap(group -> group.ranks().stream()).toList();
    }

    private Optional<Wire> wire(Predicate<Wire> condition) {
        List<Wire> wires = new ArrayList<>();
        cluster.schedulers().stream()
                .filter(SimulatedProcess::alive)
                .forEach(scheduler -> wires.addAll(scheduler.wires()));
        return any(wires, condition);
    }

    private <T> Optional<T> any(List<T> all, Predicate<T> condition) {
        List<T> possible = all.stream().filter(condition).toList();
        return possible.isEmpty()
                ? Optional.empty()
                : Optional.of(possible.get(random.nextInt(possible.size())));
    }

    private void later(long nanos, Runnable action) {
        open++;
        time.after(
                nanos,
                () -> {
                    action.run();
                    open--;
                });
    }

    private void pause(SimulatedProcess process, Happening kind) {
        cluster.happened(kind);
        process.pause();
        later(time.between(500, 12_000), process::wake);
    }

    private void kill(SimulatedRank rank) {
        cluster.happened(Happening.RANK_KILLED);
        restart(rank);
    }

    /// Ends a rank, which starts again.
    void restart(SimulatedRank rank) {
        rank.die();
        for (SimulatedReplicas group : cluster.groups()) {
            int number = group.ranks().indexOf(rank);
            if (number >= 0) {
                int index = cluster.groups().indexOf(group);
                later(
                        time.between(300, 2000),
                        () ->
                                group.ranks()
                                        .set(
                                                number,
                                                new SimulatedRank(
                                                        cluster, index, cluster.name("rank"))));
            }
        }
    }

    private void kill(SimulatedScheduler scheduler) {
        cluster.happened(Happening.SCHEDULER_KILLED);
        if (scheduler.hasResultsInFlight()) {
            cluster.happened(Happening.KILLED_WITH_RESULTS_IN_FLIGHT);
        }
        scheduler.die();
        // The launcher sees the end at once; without it the session times out.
        later(
                random.nextInt(3) > 0 ? time.between(200, 400) : SESSION_TIMEOUT,
                scheduler::loseSession);
        List<SimulatedScheduler> group = scheduler.replicas().schedulers();
        later(
                time.between(500, 3000),
                () -> group.set(group.indexOf(scheduler), cluster.scheduler(scheduler.replicas())));
    }

    private void pauseScheduler(SimulatedScheduler scheduler) {
        cluster.happened(Happening.SCHEDULER_PAUSED);
        scheduler.pause();
        later(
                SILENT,
                () -> {
                    if (scheduler.paused()) {
                        unreachable.add(scheduler);
                        scheduler.wires().stream()
                                .filter(wire -> wire.client() instanceof SimulatedCoordinator)
                                .forEach(Wire::cut);
                    }
                });
        later(
                SESSION_TIMEOUT,
                () -> {
                    if (scheduler.paused()) {
                        scheduler.loseSession();
                    }
                });
        later(
                time.between(500, 20_000),
                () -> {
                    scheduler.wake();
                    unreachable.remove(scheduler);
                });
    }

    private void kill(SimulatedCoordinator coordinator) {
        cluster.happened(Happening.COORDINATOR_KILLED);
        coordinator.die();
        later(
                time.between(300, 3000),
                () ->
                        cluster.coordinators()
                                .set(
                                        cluster.coordinators().indexOf(coordinator),
                                        new SimulatedCoordinator(
                                                cluster, cluster.name("coordinator"))));
    }
}

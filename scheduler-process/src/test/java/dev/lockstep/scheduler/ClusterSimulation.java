// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.process.Randomness;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;

/// A whole small cluster in one thread on virtual time, everything drawn from one seed: workers,
/// schedulers and coordinators die, stand still and come back, streams break, and clients come back
/// for what they have not received.
///
/// It requires, at every event: each request ends once (I1), positions come without gap or repeat
/// (I2), texts are those of a run without faults (I3), nothing of an older epoch or attempt counts
/// after a newer one (I4), blocks match their holders (I5), and the ranks of an epoch execute the
/// steps of one scheduler (I9).
final class ClusterSimulation {
    private static final int MAX_EVENTS = 2_000_000;
    private static final long SETTLED = VirtualTime.millis(3_000);

    /// Deaths for which one request may be the reason: two in a group, one more where its step was
    /// large, and one in the group that it came from; each of up to two ranks.
    private static final int MAX_POISONINGS = 8;

    private final Random random;
    private final VirtualTime time;
    private final FixedCluster coordination;
    private final List<SimulatedReplicas> groups = new ArrayList<>();
    private final List<SimulatedCoordinator> coordinators = new ArrayList<>();
    private final List<SimulatedClient> clients = new ArrayList<>();
    private final List<int[]> prefixes = new ArrayList<>();
    private final Map<Happening, Long> counts = new EnumMap<>(Happening.class);
    private final Map<String, Integer> failuresOf = new HashMap<>();
    private final Map<String, SimulatedScheduler> commanders = new HashMap<>();
    private final Map<SimulatedRank, Long> lastEpochs = new HashMap<>();
    private final Faults faults;
    private final Optional<String> poisoned;
    private final int poisonPosition;
    private final long window;
    private long trace;
    private long arrivals;
    private int attempts;
    private int poisonings;
    private int names;
    private int requests;
    private int begun;
    private boolean wiped;

    /// What happened, and a hash of the order in which it did.
    record Outcome(Map<Happening, Long> counts, long trace) {}

    ClusterSimulation(long seed) {
        random = new Random(seed);
        time = new VirtualTime(random);
        coordination = new FixedCluster(Runnable::run, Randomness.seeded(seed));
        for (int i = 0; i < 3; i++) {
            prefixes.add(ids(random.nextInt(30)));
        }
        requests = 6 + random.nextInt(20);
        long arrival = VirtualTime.millis(600);
        for (int i = 0; i < requests; i++) {
            arrival += time.between(0, random.nextInt(4) == 0 ? 400 : 60);
            time.at(arrival, this::arrive);
        }
        boolean poisonous = random.nextInt(4) == 0;
        poisoned =
                poisonous ? Optional.of("r" + random.nextInt(requests)) : Optional.<String>empty();
        poisonPosition = random.nextInt(30);
        window = VirtualTime.millis(random.nextInt(4) == 0 ? 100 + random.nextInt(400) : 8_000);
        faults = new Faults(this, random, arrival);
        for (int i = 1 + random.nextInt(2); i > 0; i--) {
            groups.add(group());
        }
        for (int i = 1 + random.nextInt(2); i > 0; i--) {
            coordinators.add(new SimulatedCoordinator(this, name("coordinator")));
        }
    }

    VirtualTime time() {
        return time;
    }

    List<SimulatedReplicas> groups() {
        return groups;
    }

    List<SimulatedCoordinator> coordinators() {
        return coordinators;
    }

    private SimulatedReplicas group() {
        var group = new SimulatedReplicas(random, "g" + groups.size());
        for (int i = 1 + random.nextInt(2); i > 0; i--) {
            group.ranks().add(new SimulatedRank(this, groups.size(), name("rank")));
        }
        for (int i = 1 + random.nextInt(2); i > 0; i--) {
            group.schedulers().add(scheduler(group));
        }
        return group;
    }

    SimulatedScheduler scheduler(SimulatedReplicas group) {
        return new SimulatedScheduler(
                this, group, coordination.another(Runnable::run), name("scheduler"));
    }

    String name(String role) {
        return role + "-" + names++;
    }

    private int[] ids(int length) {
        return random.ints(length, 0, FakeWorker.VOCABULARY).toArray();
    }

    private void arrive() {
        int[] prefix = prefixes.get(random.nextInt(prefixes.size()));
        int[] own = ids(1 + random.nextInt(random.nextInt(4) == 0 ? 30 : 10));
        int[] prompt = new int[prefix.length + own.length];
        System.arraycopy(prefix, 0, prompt, 0, prefix.length);
        System.arraycopy(own, 0, prompt, prefix.length, own.length);
        int maxTokens = 1 + random.nextInt(random.nextInt(3) == 0 ? 60 : 20);
        var first =
                new Choice(
                        0,
                        maxTokens,
                        random.nextInt(maxTokens + 1),
                        random.nextInt(3) == 0 ? List.of(FakeWorker.END, 1) : List.of(),
                        FakeWorker.seed(random.nextLong()),
                        random.nextInt(4) == 0 ? FakeWorker.seed(random.nextLong()) : Payload.NONE);
        List<Choice> choices = new ArrayList<>();
        for (int n = random.nextInt(4) == 0 ? 2 : 1; choices.size() < n; ) {
            choices.add(first.withIndex(choices.size()));
        }
        // Some want the values of their prompt and nothing else; nobody keeps those.
        boolean outputs = random.nextInt(6) == 0;
        var record =
                new RequestRecord(
                        "r" + begun++,
                        prompt,
                        outputs ? List.of(Choice.of(0)) : choices,
                        options(),
                        outputs ? FakeWorker.wanted(0, false, true, false) : WantedOutputs.NONE,
                        !outputs && random.nextInt(3) > 0);
        var client = new SimulatedClient(this, record, random.nextInt(5) > 0);
        clients.add(client);
        coordinator().ifPresentOrElse(client::begin, client::cancel);
        if (random.nextInt(8) == 0) {
            time.after(time.between(0, 1500), client::cancel);
        }
    }

    /// Every sixth request has a deadline.
    private SchedulingOptions options() {
        SchedulingOptions none = SchedulingOptions.NONE;
        return random.nextInt(6) > 0
                ? none
                : new SchedulingOptions(
                        none.tenant(),
                        none.priority(),
                        none.guaranteed(),
                        time.nanos() + time.between(50, 5000),
                        none.cacheDomain(),
                        none.cachePriority(),
                        none.cacheTtlSeconds());
    }

    void wipeZooKeeper() {
        wiped = true;
        coordination.wipe();
    }

    void restoreZooKeeper() {
        coordination.restore();
    }

    /// How long a scheduler keeps a request without a coordinator.
    long window() {
        return window;
    }

    long nextArrival() {
        return arrivals++;
    }

    Wire wire(SimulatedProcess client, SimulatedProcess server, boolean bad) {
        return new Wire(time, random, client, server, bad);
    }

    RequestCall call(SimulatedCoordinator coordinator, SimulatedScheduler scheduler) {
        Wire wire = wire(coordinator, scheduler, random.nextInt(3) == 0);
        return new RequestCall(coordinator, scheduler, wire, ++attempts);
    }

    List<SimulatedScheduler> schedulers() {
        return groups.stream().flatMap(group -> group.schedulers().stream()).toList();
    }

    /// Returns a living coordinator.
    Optional<SimulatedCoordinator> coordinator() {
        return any(coordinators, SimulatedProcess::alive);
    }

    /// Returns a scheduler that is ready as far as a coordinator knows, which may be wrong.
    Optional<SimulatedScheduler> choose(Set<SimulatedScheduler> refused) {
        boolean wrong = random.nextInt(10) == 0;
        return any(
                schedulers(),
                each ->
                        each.alive()
                                && faults.reachable(each)
                                && (wrong || each.ready())
                                && !refused.contains(each));
    }

    private <T> Optional<T> any(List<T> all, Predicate<T> condition) {
        List<T> possible = all.stream().filter(condition).toList();
        return possible.isEmpty()
                ? Optional.empty()
                : Optional.of(possible.get(random.nextInt(possible.size())));
    }

    /// Whether the group of this scheduler does not serve now, and another scheduler does.
    boolean mustMove(SimulatedScheduler scheduler) {
        return scheduler.alive()
                && !scheduler.ready()
                && schedulers().stream()
                        .anyMatch(other -> other.alive() && other.ready() && other != scheduler);
    }

    boolean poisons(StepPlan plan) {
        boolean poisons =
                poisoned.isPresent()
                        && plan.rows().stream()
                                .anyMatch(
                                        row ->
                                                row.sequence().requestId().equals(poisoned.get())
                                                        && row.computed() + row.count()
                                                                > poisonPosition);
        poisonings += poisons ? 1 : 0;
        require(
                poisonings <= MAX_POISONINGS || faults.any(),
                poisoned + " has ended " + poisonings + " ranks");
        return poisons;
    }

    Faults faults() {
        return faults;
    }

    /// Counts a rank's failure against the requests of a step in flight.
    void suspect(StepPlan plan) {
        plan.rows().stream()
                .map(row -> row.sequence().requestId())
                .distinct()
                .forEach(id -> failuresOf.merge(id, 1, Integer::sum));
    }

    /// A rank executes a step.
    void executed(int group, SimulatedRank rank, RankLink link, long number) {
        SimulatedScheduler commander =
                commanders.computeIfAbsent(
                        // Ranks that have all started again know no epoch of before a wipe.
                        (wiped ? rank : group) + " " + link.epoch(), _ -> link.scheduler());
        require(
                commander == link.scheduler(),
                "epoch " + link.epoch() + " has commands of two schedulers");
        require(
                lastEpochs.getOrDefault(rank, 0L) <= link.epoch(),
                "a rank executes epoch " + link.epoch() + " after a higher one");
        lastEpochs.put(rank, link.epoch());
        trace = FakeWorker.mix(trace, FakeWorker.mix(time.nanos(), number));
    }

    void happened(Happening what) {
        counts.merge(what, 1L, Long::sum);
        trace = FakeWorker.mix(trace, FakeWorker.mix(time.nanos(), what.name().hashCode()));
    }

    void ended(SimulatedClient client, Happening how) {
        happened(how);
        String id = client.record().id();
        if (how == Happening.FINISHED && faults.any()) {
            happened(Happening.FINISHED_AFTER_FAULT);
        }
        if (how == Happening.POISONED) {
            // Pieces of a request count once for each step that was in flight.
            require(failuresOf.getOrDefault(id, 0) > 1, id + " is poisoned after one failure");
        }
        require(
                how != Happening.GONE
                        || faults.mayLoseRequests()
                        || counts.containsKey(Happening.WINDOW_ENDED)
                        || client.record().options().deadlineNanos() <= time.nanos()
                        || (faults.mayBreakClients() && poisoned.isPresent()),
                id + " is gone although its scheduler was not lost");
        require(how != Happening.BROKEN || faults.mayBreakClients(), id + " has no coordinator");
        require(how != Happening.GROUP_LOST || faults.many(), id + " is lost after few faults");
    }

    /// Runs until every request has ended and everything has come to rest.
    Outcome run() {
        long settledAt = Long.MAX_VALUE;
        for (int events = 0; time.nanos() < settledAt; events++) {
            require(events < MAX_EVENTS && time.step(), "it does not come to rest");
            requireOneCommander();
            boolean over =
                    clients.size() == requests
                            && clients.stream().allMatch(client -> client.end().isPresent())
                            && faults.over();
            settledAt =
                    over ? Math.min(settledAt, time.nanos() + window + SETTLED) : Long.MAX_VALUE;
        }
        schedulers().forEach(SimulatedScheduler::requireIdle);
        return new Outcome(Map.copyOf(counts), trace);
    }

    private void requireOneCommander() {
        for (SimulatedReplicas group : groups) {
            long leaders =
                    group.schedulers().stream()
                            .filter(each -> each.alive() && each.leads() && each.ready())
                            .count();
            if (leaders > 1) {
                counts.merge(Happening.TWO_LEADERS, 1L, Long::sum);
            }
        }
    }

    void require(boolean condition, String what) {
        if (!condition) {
            throw new IllegalStateException(
                    "at %d ms: %s".formatted(time.nanos() / 1_000_000, what));
        }
    }
}

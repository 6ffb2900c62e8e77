// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.Leadership;
import dev.lockstep.proto.v1.CommittedChoice;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A scheduler process around a real [Scheduler]: contends for its group, forms it, sends steps,
/// parks the sequences of a lost group, and keeps the requests of dead coordinators.
final class SimulatedScheduler extends SimulatedProcess {
    private static final long TICK = VirtualTime.millis(250);
    private static final long FORM_TIMEOUT = VirtualTime.millis(5_000);
    private static final long HUNG = VirtualTime.millis(5_000);
    private static final long MAX_PARKED = VirtualTime.millis(60_000);

    private final ClusterSimulation cluster;
    private final SimulatedReplicas replicas;
    private final FixedCluster member;
    private final Leadership leadership;
    private final KeptRequests requests;
    private final List<Sequence> parked = new ArrayList<>();
    private final List<RankLink> links = new ArrayList<>();
    private final List<List<FakeWorker.Held>> held = new ArrayList<>();
    private final ArrayDeque<StepPlan> inFlight = new ArrayDeque<>();
    private final ArrayDeque<StepResult> results = new ArrayDeque<>();
    private long[] answered = {};
    private int formedRanks;
    private long highestEpoch;
    private long formingSince;
    private long parkedSince;
    private long completed;
    private boolean leads;
    private boolean hasLed;
    private @Nullable Scheduler core;

    SimulatedScheduler(
            ClusterSimulation cluster,
            SimulatedReplicas replicas,
            FixedCluster member,
            String name) {
        super(cluster.time(), name);
        this.cluster = cluster;
        this.replicas = replicas;
        this.member = member;
        this.requests = new KeptRequests(cluster, this);
        this.leadership =
                member.contend(
                        replicas.name(),
                        name,
                        new Leadership.Listener() {
                            @Override
                            public void elected() {
                                learn();
                            }

                            @Override
                            public void deposed() {
                                learn();
                            }
                        });
        every(TICK, this::turn);
    }

    /// Learns what ZooKeeper says, which may take long.
    private void learn() {
        time.after(
                cluster.faults().coordinationDelay(),
                () ->
                        receive(
                                () -> {
                                    leads = leadership.leading();
                                    turn();
                                }));
    }

    /// Its session with ZooKeeper has ended; the process need not know.
    void loseSession() {
        if (alive()) {
            member.loseSession();
        } else {
            member.close();
        }
    }

    boolean leads() {
        return leads;
    }

    boolean ready() {
        return core != null;
    }

    boolean hasResultsInFlight() {
        return !inFlight.isEmpty();
    }

    SimulatedReplicas replicas() {
        return replicas;
    }

    private void turn() {
        if (!parked.isEmpty() && time.nanos() - parkedSince > MAX_PARKED) {
            requests.failAll(RequestFrame.Reason.UNAVAILABLE);
        }
        for (Sequence sequence : List.copyOf(parked)) {
            if (sequence.options().deadlineNanos() <= time.nanos()) {
                cluster.happened(Happening.EXPIRED_WHILE_PARKED);
                requests.fail(sequence, RequestFrame.Reason.EXPIRED);
            }
        }
        if (!leads) {
            lose(false);
            requests.failAll(RequestFrame.Reason.NOT_LEADER);
            return;
        }
        if (core == null && !links.isEmpty() && time.nanos() - formingSince > FORM_TIMEOUT) {
            lose(true);
        }
        if (links.isEmpty() && replicas.allRanksLive()) {
            join();
        }
    }

    private void join() {
        OptionalLong epoch = leadership.nextEpoch(highestEpoch);
        if (epoch.isEmpty()) {
            return;
        }
        highestEpoch = epoch.getAsLong();
        formingSince = time.nanos();
        formedRanks = 0;
        held.clear();
        int number = 0;
        for (SimulatedRank rank : replicas.ranks()) {
            links.add(
                    new RankLink(
                            this, rank, number++, highestEpoch, cluster.wire(this, rank, false)));
        }
        cluster.faults().mayPauseWithFreshEpoch(this);
        receive(() -> links.forEach(RankLink::join));
    }

    void stale(RankLink link, long highest) {
        if (links.contains(link)) {
            highestEpoch = Math.max(highestEpoch, highest);
            lose(false);
        }
    }

    void joined(RankLink link, List<FakeWorker.Held> ofRank) {
        if (!links.contains(link)) {
            return;
        }
        held.add(ofRank);
        if (held.size() == links.size()) {
            boolean keep = !common().isEmpty();
            links.forEach(each -> each.form(replicas.shape(highestEpoch), keep));
        }
    }

    /// The blocks that every rank holds.
    private Set<FakeWorker.Held> common() {
        var common = new LinkedHashSet<>(held.getFirst());
        held.forEach(common::retainAll);
        return common;
    }

    void formed(RankLink link) {
        if (!links.contains(link) || ++formedRanks < links.size()) {
            return;
        }
        var fresh =
                new Scheduler(
                        replicas.shape(highestEpoch),
                        replicas.limits(),
                        replicas.policies(),
                        new BlockHasher(FakeWorker.KEY),
                        CacheEvents.NONE,
                        new Timeline(1 << 8));
        for (FakeWorker.Held block : common()) {
            if (fresh.adopt(block.kvGroup(), block.block(), block.name())) {
                cluster.happened(Happening.BLOCKS_KEPT);
            }
        }
        core = fresh;
        completed = 0;
        answered = new long[links.size()];
        if (!hasLed && replicas.hasServed()) {
            cluster.happened(Happening.STANDBY_LED);
        }
        hasLed = true;
        replicas.served();
        List<Sequence> again = List.copyOf(parked);
        parked.clear();
        for (Sequence sequence : again) {
            if (!requests.owns(sequence)) {
                continue;
            }
            if (!(fresh.resume(sequence, time.nanos()) instanceof Submission.Queued)) {
                requests.fail(sequence, RequestFrame.Reason.UNAVAILABLE);
            }
        }
    }

    void completed(RankLink link, StepResult result) {
        if (core == null || !links.contains(link)) {
            return;
        }
        if (result.number() != ++answered[link.number()]) {
            lose(true);
            return;
        }
        if (link.number() == 0) {
            results.add(result);
        }
        while (core != null && completed < minAnswered()) {
            completed++;
            inFlight.remove();
            requests.deliver(core.apply(results.remove(), time.nanos()));
            core.checkIntegrity();
        }
    }

    private long minAnswered() {
        long min = Long.MAX_VALUE;
        for (long number : answered) {
            min = Math.min(min, number);
        }
        return min;
    }

    void rankEnded(RankLink link) {
        if (links.contains(link)) {
            lose(true);
        }
    }

    private void lose(boolean rankFailed) {
        List<RankLink> old = List.copyOf(links);
        links.clear();
        old.forEach(RankLink::close);
        Scheduler ended = core;
        if (ended == null) {
            return;
        }
        core = null;
        if (rankFailed) {
            inFlight.forEach(cluster::suspect);
        }
        inFlight.clear();
        results.clear();
        LostSequences lost = ended.lose(rankFailed, time.nanos());
        parked.addAll(lost.parked());
        parkedSince = time.nanos();
        if (!parked.isEmpty()) {
            cluster.happened(Happening.PARKED);
        }
        lost.poisoned().forEach(each -> requests.fail(each, RequestFrame.Reason.POISONED));
    }

    void submit(RequestCall call, RequestRecord record, List<CommittedChoice> committed) {
        if (core == null) {
            call.reply(
                    new RequestFrame.Failed(
                            leads
                                    ? RequestFrame.Reason.UNAVAILABLE
                                    : RequestFrame.Reason.NOT_LEADER));
            return;
        }
        requests.submit(call, record, committed, core, replicas.kvGroups());
    }

    void attach(RequestCall call, String id) {
        requests.attach(call, id);
    }

    void callEnded(RequestCall call, boolean cancelled) {
        requests.ended(call, cancelled);
    }

    void cancel(Sequence sequence) {
        boolean queued = !parked.remove(sequence);
        if (queued && core != null) {
            core.cancel(sequence, time.nanos());
            core.checkIntegrity();
        }
    }

    /// Keeps the workers busy, and checks that blocks and slots match their holders.
    @Override
    void handled() {
        if (core != null && core.nextDeadline() <= time.nanos()) {
            requests.deliver(core.expire(time.nanos()));
            core.checkIntegrity();
        }
        while (core != null && core.canPlan()) {
            StepPlan plan = core.plan(time.nanos());
            if (plan.isEmpty()) {
                break;
            }
            inFlight.add(plan);
            long epoch = highestEpoch;
            long number = plan.number();
            links.forEach(link -> link.step(plan));
            time.after(HUNG, () -> receive(() -> expect(epoch, number)));
            core.checkIntegrity();
        }
    }

    private void expect(long epoch, long number) {
        if (core != null && highestEpoch == epoch && completed < number) {
            lose(true);
        }
    }

    /// Requires that nothing is left.
    void requireIdle() {
        cluster.require(requests.isEmpty(), this + " still has " + requests);
        cluster.require(parked.isEmpty(), this + " has parked " + parked);
        if (core != null) {
            Load load = core.load();
            cluster.require(
                    load.freeBlocks() == load.blocks() && load.running() + load.waiting() == 0,
                    this + " is not idle: " + load);
        }
    }
}

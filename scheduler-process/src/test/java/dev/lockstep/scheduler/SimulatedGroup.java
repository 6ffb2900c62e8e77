// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A scheduler and a fake worker on virtual time, and the laws that every plan must keep.
final class SimulatedGroup {
    private static final int BLOCK = 4;

    private final Random random;
    private final Policies policies;
    private final WaitingLimits limits;
    private final ArrayDeque<Sent> inFlight = new ArrayDeque<>();
    private final Set<Sequence> unstarted = new HashSet<>();
    private final Set<Sequence> started = new LinkedHashSet<>();
    private GroupShape shape;
    private @Nullable Scheduler scheduler;
    private @Nullable FakeWorker worker;
    private final Timeline timeline = new Timeline(1 << 12);
    private Load.Totals totals = Load.Totals.NONE;
    private long adopted;
    private long withoutKv;

    /// A step in flight, with the blocks that each of its sequences may access.
    private record Sent(StepPlan plan, Map<Long, Set<Sequence>> blocks, Set<Integer> slots) {}

    SimulatedGroup(Random random) {
        this.random = random;
        policies =
                new Policies(
                        random.nextInt(3) > 0 ? "maximum-utilization" : "guaranteed-no-evict",
                        random.nextInt(3) > 0 ? "fcfs" : "equal-progress",
                        List.of("fcfs", "priority", "longest-prefix", "fair")
                                .get(random.nextInt(4)),
                        Map.of("a", 2.0),
                        random.nextInt(5) > 0);
        limits =
                WaitingLimits.of(
                        10 + random.nextInt(60),
                        300 + random.nextInt(3000),
                        Math.max(0, random.nextInt(4000) - 2000) * 1_000_000L);
        int sequences = 1 + random.nextInt(12);
        int tokens = 1 + random.nextInt(40);
        shape =
                new GroupShape(
                        0,
                        sequences,
                        tokens,
                        random.nextBoolean() ? 0 : 1 + random.nextInt(60),
                        random.nextBoolean() ? 0 : 1 + random.nextInt(tokens),
                        120,
                        BLOCK,
                        span(sequences, tokens),
                        2,
                        sequences % 3 == 0 ? withStates(groups()) : groups());
    }

    /// Returns the spans of a prompt, of a few blocks in half of all groups.
    private static int span(int sequences, int number) {
        return sequences % 2 == 0 ? 0 : (1 + number % 3) * BLOCK;
    }

    static List<KvGroupShape> withStates(List<KvGroupShape> paged) {
        var groups = new ArrayList<>(paged);
        groups.add(new KvGroupShape(KvGroupShape.Kind.STATE, 0, 4096, 2));
        return groups;
    }

    private List<KvGroupShape> groups() {
        var window = new KvGroupShape(KvGroupShape.Kind.WINDOW, 1 + random.nextInt(30), 64, 1);
        return switch (random.nextInt(5)) {
            case 0, 1 -> List.of(KvGroupShape.full(64));
            case 2 -> List.of(KvGroupShape.full(64), KvGroupShape.full(128), KvGroupShape.full(64));
            case 3 -> List.of(KvGroupShape.full(64), window);
            default ->
                    List.of(
                            window,
                            new KvGroupShape(
                                    KvGroupShape.Kind.WINDOW, 1 + random.nextInt(50), 128, 1));
        };
    }

    boolean ready() {
        return scheduler != null;
    }

    Scheduler scheduler() {
        return requireNonNull(scheduler);
    }

    int kvGroups() {
        return shape.pagedGroups().size();
    }

    Load.Totals totals() {
        return scheduler == null ? totals : totals.plus(scheduler.load().totals());
    }

    /// Number of blocks adopted from an earlier epoch.
    long adopted() {
        return adopted;
    }

    /// Number of rows without KV.
    long withoutKv() {
        return withoutKv;
    }

    /// Forms a group with a pool for a few sequences at most, down to one that hardly holds one. A
    /// worker that returns may still hold its old blocks.
    void form() {
        boolean kept = worker != null && random.nextBoolean();
        int blocks = kept ? shape.blocks() : 2 + random.nextInt(random.nextInt(4) == 0 ? 24 : 90);
        shape =
                new GroupShape(
                        shape.epoch() + 1,
                        shape.maxSequences(),
                        shape.maxBatchedTokens(),
                        shape.doublingPosition(),
                        shape.measuredTokens(),
                        shape.maxModelLength(),
                        shape.blockSize(),
                        // Other workers may compute otherwise.
                        kept ? shape.promptSpan() : span(shape.maxSequences(), blocks),
                        blocks,
                        shape.kvGroups());
        var fresh =
                new Scheduler(
                        shape,
                        limits,
                        policies,
                        new BlockHasher(FakeWorker.KEY),
                        CacheEvents.NONE,
                        timeline);
        FakeWorker old = worker;
        worker = new FakeWorker(shape);
        if (kept && old != null) {
            for (FakeWorker.Held held : worker.takeOver(old)) {
                adopted += fresh.adopt(held.kvGroup(), held.block(), held.name()) ? 1 : 0;
            }
            fresh.checkIntegrity();
        }
        scheduler = fresh;
    }

    LostSequences lose(boolean rankFailed, long now) {
        Scheduler ended = scheduler();
        totals = totals.plus(ended.load().totals());
        LostSequences lost = ended.lose(rankFailed, now);
        inFlight.clear();
        scheduler = null;
        return lost;
    }

    Submission submit(List<Sequence> choices, long now) {
        Submission submission = scheduler().submit(choices, now);
        if (submission instanceof Submission.Queued) {
            unstarted.addAll(choices);
        }
        return submission;
    }

    /// Continues a sequence of a lost group. Returns false when the new group is too small for it.
    boolean resume(Sequence sequence, long now) {
        return scheduler().resume(sequence, now) instanceof Submission.Queued;
    }

    /// Whether the oldest step in flight computes positions of a sequence from `poison` on.
    boolean nextComputes(Sequence sequence, int poison) {
        return requireNonNull(inFlight.peek()).plan().rows().stream()
                .anyMatch(
                        row -> row.sequence() == sequence && row.computed() + row.count() > poison);
    }

    void left(Sequence sequence) {
        unstarted.remove(sequence);
        started.remove(sequence);
    }

    /// Plans a step. Returns false when there is nothing to send.
    boolean planAndSend(long now) {
        StepPlan plan = scheduler().plan(now);
        scheduler().checkIntegrity();
        if (plan.isEmpty()) {
            return false;
        }
        check(plan);
        return true;
    }

    /// Runs the oldest step in flight and applies its result.
    List<SequenceEvent> step(long now) {
        Sent sent = inFlight.remove();
        List<SequenceEvent> events =
                scheduler().apply(requireNonNull(worker).run(sent.plan()), now);
        scheduler().checkIntegrity();
        return events;
    }

    private void check(StepPlan plan) {
        require(inFlight.size() < Scheduler.DEPTH, inFlight.size() + " steps in flight");
        require(plan.tokenCount() <= shape.maxBatchedTokens(), plan.tokenCount() + " tokens");
        require(plan.rows().size() <= shape.maxSequences(), plan.rows().size() + " rows");
        for (StepPlan.Admission admission : plan.admitted()) {
            inFlight.forEach(
                    sent ->
                            require(
                                    !sent.slots().contains(admission.slot()),
                                    "slot " + admission.slot() + " is in a step in flight"));
            unstarted.remove(admission.sequence());
            started.add(admission.sequence());
        }
        plan.admitted().forEach(admission -> requireItsTurn(admission.sequence()));
        var blocks = new HashMap<Long, Set<Sequence>>();
        var slots = new HashSet<Integer>();
        for (StepPlan.Row row : plan.rows()) {
            require(slots.add(row.slot()), "two rows for slot " + row.slot());
        }
        for (Sequence sequence : started) {
            if (sequence.state() == Sequence.State.RUNNING) {
                addBlocks(sequence, blocks);
            }
        }
        for (StepPlan.Row row : plan.rows()) {
            if (row.sequence().withoutKv()) {
                withoutKv++;
            } else {
                requireAlone(row, blocks);
            }
        }
        inFlight.add(new Sent(plan, blocks, slots));
    }

    private void addBlocks(Sequence sequence, Map<Long, Set<Sequence>> blocks) {
        for (int group = 0; group < kvGroups(); group++) {
            BlockTable table = sequence.blocks().table(group);
            for (int i = table.dropped(); i < table.size(); i++) {
                blocks.computeIfAbsent(key(group, table.block(i)), any -> new HashSet<>())
                        .add(sequence);
            }
        }
    }

    /// Requires that no other running sequence, with a row in this step or not, holds a block that
    /// a row writes, and that none held it when a step in flight was sent.
    private void requireAlone(StepPlan.Row row, Map<Long, Set<Sequence>> now) {
        for (int group = 0; group < kvGroups(); group++) {
            BlockTable table = row.sequence().blocks().table(group);
            int first = row.computed() / shape.blockSize();
            int last = (row.computed() + row.count() - 1) / shape.blockSize();
            for (int i = Math.max(first, table.dropped()); i <= last; i++) {
                long key = key(group, table.block(i));
                require(
                        Set.of(row.sequence()).equals(now.get(key)),
                        row.sequence() + " writes a block of others: " + now.get(key));
                for (Sent sent : inFlight) {
                    Set<Sequence> holders = sent.blocks().getOrDefault(key, Set.of());
                    require(
                            holders.isEmpty() || holders.equals(Set.of(row.sequence())),
                            row.sequence() + " writes a block of a step in flight");
                }
            }
        }
    }

    /// Requires that no sequence of the same tenant, priority and service class arrived earlier and
    /// still waits, unless it had to wait for what another computed or has a longer prompt than a
    /// short one.
    private void requireItsTurn(Sequence admitted) {
        if (policies.waitingOrder().equals("longest-prefix")) {
            return;
        }
        for (Sequence other : unstarted) {
            boolean comparable =
                    other.guaranteed() == admitted.guaranteed()
                            && other.tenant().equals(admitted.tenant())
                            && other.priority() == admitted.priority();
            require(
                    !comparable
                            || other.arrival() > admitted.arrival()
                            || dependedOnAnother(other)
                            || other.expectedPrefill > admitted.expectedPrefill,
                    admitted + " overtook " + other);
        }
    }

    private boolean dependedOnAnother(Sequence sequence) {
        return timeline.describe(sequence.requestId(), sequence.options().tenant()).stream()
                .flatMap(choice -> choice.events().stream())
                .anyMatch(event -> event.reason() == Timeline.Reason.DEPENDENCY);
    }

    private long key(int group, int block) {
        return shape.kvGroups().get(group).bytesPerBlock() << 32 | block;
    }

    private void require(boolean condition, String what) {
        if (!condition) {
            throw new IllegalStateException(what + " (" + this + ")");
        }
    }

    @Override
    public String toString() {
        return policies
                + ", "
                + shape
                + ", "
                + (scheduler == null ? "no group" : scheduler.load().toString());
    }

    /// Requires that a step is in flight while any sequence is live, so that none can starve for
    /// good.
    void requireMoving() {
        Load load = scheduler().load();
        require(
                !inFlight.isEmpty() || load.running() + load.waiting() == 0,
                "no step is in flight: " + load);
    }

    /// Requires that all blocks are free and no sequence is left.
    void requireIdle() {
        Load load = scheduler().load();
        require(
                load.freeBlocks() == load.blocks() && load.running() + load.waiting() == 0,
                "not everything is free: " + load);
        var all = new ArrayList<>(unstarted);
        require(all.isEmpty(), all + " still wait");
    }
}

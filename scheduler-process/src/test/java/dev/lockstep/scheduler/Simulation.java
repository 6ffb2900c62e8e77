// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.function.Consumer;

/// A whole cluster in one thread on virtual time, everything drawn from one seed: groups with
/// random policies and tiny pools, requests of several tenants that share prefixes, cancels,
/// deadlines and lost groups. In some runs one request ends the rank that computes a certain
/// position of it.
final class Simulation {
    private final Random random;
    private final Consumer<Scheduler> beforePlan;
    private final PriorityQueue<Event> events = new PriorityQueue<>();
    private final Map<Sequence, Progress> progress = new LinkedHashMap<>();
    private final List<SimulatedGroup> groups = new ArrayList<>();
    private final List<List<Sequence>> parked = new ArrayList<>();
    private final List<Long> workerFreeAt = new ArrayList<>();
    private final List<int[]> prefixes = new ArrayList<>();
    private long now;
    private long order;
    private long arrivals;
    private long trace;
    private long losses;
    private long migrated;
    private final boolean poisonous;
    private final Map<Sequence, Integer> poison = new LinkedHashMap<>();

    /// Counts of what happened, by which a test checks that the seeds cover every case.
    record Counts(
            long finished,
            long cancelled,
            long migrated,
            long poisoned,
            long refused,
            long expired,
            long adopted,
            long withoutKv,
            Load.Totals totals,
            long losses,
            long trace) {
        static final Counts NONE = new Counts(0, 0, 0, 0, 0, 0, 0, 0, Load.Totals.NONE, 0, 0);

        Counts plus(Counts more) {
            return new Counts(
                    finished + more.finished,
                    cancelled + more.cancelled,
                    migrated + more.migrated,
                    poisoned + more.poisoned,
                    refused + more.refused,
                    expired + more.expired,
                    adopted + more.adopted,
                    withoutKv + more.withoutKv,
                    totals.plus(more.totals),
                    losses + more.losses,
                    trace + more.trace);
        }
    }

    private record Event(long time, long order, Runnable action) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            return time != other.time
                    ? Long.compare(time, other.time)
                    : Long.compare(order, other.order);
        }
    }

    private static final class Progress {
        final int group;
        final List<Integer> outputs = new ArrayList<>();
        final List<Float> logprobs = new ArrayList<>();
        final List<Float> states = new ArrayList<>();
        final List<Float> pooled = new ArrayList<>();
        String end = "";

        Progress(int group) {
            this.group = group;
        }
    }

    Simulation(long seed) {
        this(seed, any -> {});
    }

    /// @param beforePlan receives each scheduler before it plans a step
    Simulation(long seed, Consumer<Scheduler> beforePlan) {
        this.beforePlan = beforePlan;
        random = new Random(seed);
        poisonous = random.nextInt(3) == 0;
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            groups.add(new SimulatedGroup(random));
            parked.add(new ArrayList<>());
            workerFreeAt.add(0L);
        }
        for (int i = 0; i < 4; i++) {
            prefixes.add(ids(random.nextInt(40)));
        }
        for (int group = 0; group < groups.size(); group++) {
            form(group);
        }
        int requests = 10 + random.nextInt(50);
        long time = 0;
        for (int i = 0; i < requests; i++) {
            time += random.nextInt(random.nextInt(4) == 0 ? 400 : 20);
            at(time, this::arrive);
        }
        for (int i = poisonous ? 0 : random.nextInt(4); i > 0; i--) {
            int group = random.nextInt(groups.size());
            boolean rankFailed = random.nextInt(3) > 0;
            at(random.nextLong(time + 500), () -> loseGroup(group, rankFailed));
        }
    }

    private int[] ids(int length) {
        int[] ids = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = random.nextInt(FakeWorker.VOCABULARY);
        }
        return ids;
    }

    private void at(long time, Runnable action) {
        events.add(new Event(time, order++, action));
    }

    Counts run() {
        while (!events.isEmpty()) {
            Event event = events.remove();
            now = event.time();
            event.action().run();
            for (int group = 0; group < groups.size(); group++) {
                expire(group);
                pump(group);
                if (groups.get(group).ready()) {
                    groups.get(group).requireMoving();
                }
                requireCounted(group);
            }
        }
        progress.forEach(
                (sequence, seen) ->
                        require(
                                !seen.end.isEmpty(),
                                sequence + " was never answered by " + groups.get(seen.group)));
        groups.forEach(SimulatedGroup::requireIdle);
        Load.Totals totals = Load.Totals.NONE;
        long adopted = 0;
        long withoutKv = 0;
        for (SimulatedGroup group : groups) {
            totals = totals.plus(group.totals());
            adopted += group.adopted();
            withoutKv += group.withoutKv();
        }
        return new Counts(
                ended("finished"),
                ended("cancelled"),
                migrated,
                ended("poisoned"),
                ended("refused"),
                ended("expired"),
                adopted,
                withoutKv,
                totals,
                losses,
                trace);
    }

    /// Requires that waiting sequences and their tokens are counted correctly.
    private void requireCounted(int group) {
        if (!groups.get(group).ready()) {
            return;
        }
        int size = 0;
        long tokens = 0;
        for (Map.Entry<Sequence, Progress> each : progress.entrySet()) {
            Sequence sequence = each.getKey();
            if (each.getValue().group == group
                    && each.getValue().end.isEmpty()
                    && sequence.state() == Sequence.State.WAITING) {
                size++;
                tokens += sequence.knownLength();
            }
        }
        Load load = groups.get(group).scheduler().load();
        require(
                size == load.waiting() && tokens == load.waitingTokens(),
                size + " sequences of " + tokens + " tokens wait, counted: " + load);
    }

    private long ended(String how) {
        return progress.values().stream().filter(seen -> seen.end.equals(how)).count();
    }

    private void form(int group) {
        groups.get(group).form();
        workerFreeAt.set(group, now);
        List<Sequence> again = List.copyOf(parked.get(group));
        parked.get(group).clear();
        for (Sequence sequence : again) {
            if (!groups.get(group).resume(sequence, now)) {
                end(sequence, "refused");
            }
        }
    }

    private void loseGroup(int group, boolean rankFailed) {
        if (!groups.get(group).ready()) {
            return;
        }
        losses++;
        LostSequences lost = groups.get(group).lose(rankFailed, now);
        for (Sequence sequence : lost.poisoned()) {
            require(losses > 1 && rankFailed, sequence + " is poisoned after one failure");
            require(!poisonous || poison.containsKey(sequence), sequence + " is not poisoned");
            end(sequence, "poisoned");
        }
        for (Sequence sequence : lost.parked()) {
            migrated += sequence.migrations() > 0 ? 1 : 0;
            parked.get(group).add(sequence);
        }
        at(now + 50 + random.nextInt(200), () -> form(group));
    }

    /// Runs the oldest step in flight of a group, whose rank ends where it computes a poisoned
    /// position.
    private void step(int group) {
        SimulatedGroup it = groups.get(group);
        for (Map.Entry<Sequence, Integer> each : poison.entrySet()) {
            if (it.nextComputes(each.getKey(), each.getValue())) {
                loseGroup(group, true);
                return;
            }
        }
        it.step(now).forEach(this::receive);
    }

    private void arrive() {
        int group = random.nextInt(groups.size());
        int[] prefix = prefixes.get(random.nextInt(prefixes.size()));
        int[] own = ids(1 + random.nextInt(random.nextInt(5) == 0 ? 40 : 12));
        int shared = random.nextBoolean() ? random.nextInt(prefix.length + 1) : 0;
        int[] prompt = new int[shared + own.length];
        System.arraycopy(prefix, 0, prompt, 0, shared);
        System.arraycopy(own, 0, prompt, shared, own.length);
        SchedulingOptions options = options();
        String request = "r" + arrivals;
        var choices = new ArrayList<Sequence>();
        int n = random.nextInt(5) == 0 ? 1 + random.nextInt(4) : 1;
        boolean generates = n > 1 || random.nextInt(6) > 0;
        int maxTokens = generates ? 1 + random.nextInt(random.nextInt(3) == 0 ? 60 : 12) : 0;
        WantedOutputs wanted = wanted(generates, prompt.length);
        for (int choice = 0; choice < n; choice++) {
            Optional<Sequence> leader =
                    choices.isEmpty()
                            ? Optional.<Sequence>empty()
                            : Optional.of(choices.getFirst());
            var sequence =
                    new Sequence(
                            arrivals++,
                            request,
                            prompt,
                            randomChoice(choice, maxTokens, !wanted.any()),
                            choice == 0 ? wanted : wantedOfOthers(wanted, prompt.length),
                            options,
                            leader,
                            groups.get(group).kvGroups());
            progress.put(sequence, new Progress(group));
            if (poisonous && poison.isEmpty() && random.nextInt(3) == 0) {
                poison.put(sequence, random.nextInt(prompt.length + Math.min(maxTokens, 4)));
            }
            choices.add(sequence);
            if (random.nextInt(6) == 0) {
                at(now + random.nextInt(300), () -> cancel(sequence));
            }
        }
        if (options.deadlineNanos() != SchedulingOptions.NO_DEADLINE) {
            at(options.deadlineNanos(), () -> {});
        }
        if (groups.get(group).ready()) {
            submit(group, choices);
        } else {
            choices.forEach(sequence -> end(sequence, "refused"));
        }
    }

    private WantedOutputs wanted(boolean generates, int prompt) {
        if (generates && random.nextInt(8) > 0) {
            return WantedOutputs.NONE;
        }
        int from = random.nextBoolean() ? 0 : random.nextInt(prompt);
        boolean pooled = !generates && random.nextBoolean();
        boolean logprobs = random.nextBoolean();
        boolean states = random.nextBoolean() || !logprobs;
        return FakeWorker.wanted(from, logprobs, states, pooled);
    }

    /// The other choices of a request report hidden states of generated positions only.
    private static WantedOutputs wantedOfOthers(WantedOutputs wanted, int promptLength) {
        boolean states = FakeWorker.has(wanted, FakeWorker.STATES);
        return FakeWorker.wanted(promptLength, false, states, false);
    }

    private SchedulingOptions options() {
        return new SchedulingOptions(
                List.of("", "a", "b").get(random.nextInt(3)),
                random.nextInt(3) - 1,
                random.nextInt(5) == 0,
                random.nextInt(6) == 0
                        ? now + 1 + random.nextInt(400)
                        : SchedulingOptions.NO_DEADLINE,
                random.nextInt(8) == 0
                        ? new SchedulingOptions.Domain(7, random.nextInt(2), false)
                        : SchedulingOptions.Domain.COMMON,
                1 + random.nextInt(BlockPool.MAX_PRIORITY),
                random.nextInt(3));
    }

    /// @param constrainable whether it may have a constraint: forced ids have no other outputs
    private Choice randomChoice(int choice, int maxTokens, boolean constrainable) {
        Payload seed = FakeWorker.seed(random.nextLong());
        return new Choice(
                choice,
                maxTokens,
                random.nextInt(maxTokens + 1),
                random.nextInt(4) == 0 ? List.of() : List.of(FakeWorker.END, 1),
                seed,
                constrainable && maxTokens > 0 && random.nextInt(4) == 0
                        ? FakeWorker.seed(random.nextLong())
                        : Payload.NONE);
    }

    private void submit(int group, List<Sequence> choices) {
        switch (groups.get(group).submit(choices, now)) {
            case Submission.Queued() -> {}
            case Submission.QueueFull(var message) -> refuse(choices, message);
            case Submission.TooLate(var message, var _) -> refuse(choices, message);
            case Submission.Unservable(var message) -> refuse(choices, message);
        }
    }

    private void refuse(List<Sequence> choices, String message) {
        require(!message.isEmpty(), "a reason");
        choices.forEach(sequence -> end(sequence, "refused"));
    }

    private void cancel(Sequence sequence) {
        if (!seen(sequence).end.isEmpty()) {
            return;
        }
        int group = seen(sequence).group;
        parked.get(group).remove(sequence);
        if (groups.get(group).ready()) {
            groups.get(group).scheduler().cancel(sequence, now);
            groups.get(group).scheduler().checkIntegrity();
        }
        end(sequence, "cancelled");
    }

    private Progress seen(Sequence sequence) {
        return requireNonNull(progress.get(sequence));
    }

    private void end(Sequence sequence, String how) {
        require(seen(sequence).end.isEmpty(), sequence + " ends twice");
        seen(sequence).end = how;
        groups.get(seen(sequence).group).left(sequence);
    }

    private void expire(int group) {
        if (groups.get(group).ready()) {
            groups.get(group).scheduler().expire(now).forEach(this::receive);
            groups.get(group).scheduler().checkIntegrity();
        }
    }

    /// Does what the step loop does: plans while it can, sends, and applies the results when they
    /// arrive.
    private void pump(int group) {
        SimulatedGroup it = groups.get(group);
        while (it.ready() && it.scheduler().canPlan()) {
            beforePlan.accept(it.scheduler());
            if (!it.planAndSend(now)) {
                return;
            }
            // The worker runs one step after the other; a result may be late.
            long free = Math.max(workerFreeAt.get(group), now) + 5 + random.nextInt(20);
            workerFreeAt.set(group, free);
            Scheduler at = it.scheduler();
            at(
                    free + (random.nextInt(10) == 0 ? random.nextInt(100) : 0),
                    () -> {
                        if (it.ready() && it.scheduler() == at) {
                            step(group);
                        }
                    });
        }
    }

    private void receive(SequenceEvent event) {
        trace = FakeWorker.mix(trace, FakeWorker.mix(now, event.sequence().arrival()));
        switch (event) {
            case SequenceEvent.Generated(var sequence, var position, var token) -> {
                List<Integer> outputs = seen(sequence).outputs;
                require(seen(sequence).end.isEmpty(), sequence + " generates after its end");
                require(position == outputs.size(), "position " + position);
                outputs.add(token.id());
            }
            case SequenceEvent.Computed(var sequence, var outputs) -> {
                Progress seen = seen(sequence);
                require(seen.end.isEmpty(), sequence + " computes after its end");
                int from = sequence.wanted().from();
                boolean inOrder =
                        !outputs.nextTokens().isEmpty()
                                ? outputs.position() == from + seen.logprobs.size()
                                : outputs.hiddenStates().isEmpty()
                                        || outputs.position() == from + seen.states.size();
                require(inOrder, "position " + outputs.position() + " of " + sequence);
                outputs.nextTokens().forEach(one -> seen.logprobs.add(FakeWorker.value(one)));
                outputs.hiddenStates().forEach(one -> seen.states.add(FakeWorker.value(one)));
                if (!outputs.pooled().isEmpty()) {
                    seen.pooled.add(FakeWorker.value(outputs.pooled()));
                }
            }
            case SequenceEvent.Stopped(var sequence, var id) -> {
                require(
                        id == SequenceEvent.NO_TOKEN
                                ? sequence.choice().constrained()
                                : seen(sequence).outputs.getLast() == id,
                        "stopped by " + id);
                finish(sequence);
            }
            case SequenceEvent.LengthReached(var sequence) -> {
                require(
                        seen(sequence).outputs.size() == sequence.choice().maxTokens(),
                        "length of " + sequence);
                finish(sequence);
            }
            case SequenceEvent.Expired(var sequence) -> {
                require(sequence.options().deadlineNanos() <= now, sequence + " expired early");
                end(sequence, "expired");
            }
            case SequenceEvent.Refused(var sequence, var reason) ->
                    throw new IllegalStateException(sequence + " is refused: " + reason);
        }
    }

    private void finish(Sequence sequence) {
        List<Integer> expected = FakeWorker.expected(sequence.prompt(), sequence.choice());
        require(
                seen(sequence).outputs.equals(expected),
                sequence + " generated " + seen(sequence).outputs + ", expected " + expected);
        var all = new ArrayList<>(Arrays.stream(sequence.prompt()).boxed().toList());
        all.addAll(expected.subList(0, Math.max(0, expected.size() - 1)));
        List<Float> values = FakeWorker.values(all);
        WantedOutputs wanted = sequence.wanted();
        int from = Math.min(wanted.from(), values.size());
        int scored = Math.max(from, sequence.promptLength() - 1);
        requireOutputs(
                FakeWorker.has(wanted, FakeWorker.LOGPROBS),
                values.subList(from, scored),
                seen(sequence).logprobs);
        requireOutputs(
                FakeWorker.has(wanted, FakeWorker.STATES),
                values.subList(from, values.size()),
                seen(sequence).states);
        int last = sequence.promptLength() - 1;
        requireOutputs(
                FakeWorker.has(wanted, FakeWorker.POOLED),
                values.subList(last, last + 1),
                seen(sequence).pooled);
        end(sequence, "finished");
    }

    private void requireOutputs(boolean wanted, List<Float> expected, List<Float> seen) {
        require(
                seen.equals(wanted ? expected : List.of()),
                seen + " were returned, expected " + (wanted ? expected : "nothing"));
    }

    private void require(boolean condition, String what) {
        if (!condition) {
            throw new IllegalStateException("at " + now + ": " + what);
        }
    }
}

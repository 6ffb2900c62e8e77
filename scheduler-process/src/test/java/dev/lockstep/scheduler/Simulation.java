package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// One scheduler and one fake worker on virtual time in one thread, everything drawn from one seed.
final class Simulation {
    private final Random random;
    private final PriorityQueue<Event> events = new PriorityQueue<>();
    private final Map<Sequence, Progress> progress = new LinkedHashMap<>();
    private final List<List<Sequence>> parked = new ArrayList<>();
    private final ArrayDeque<Sent> inFlight = new ArrayDeque<>();
    private final Map<Sequence, Set<Long>> blocksOf = new LinkedHashMap<>();
    private final WaitingLimits limits;
    private @Nullable Scheduler scheduler;
    private @Nullable FakeWorker worker;
    private GroupShape shape;
    private long now;
    private long order;
    private long arrivals;
    private long workerFreeAt;
    private long lastFirstAdmission = -1;
    private long trace;
    private int losses;
    private Counts counts = new Counts(0, 0, 0, 0, 0, 0, 0, 0);

    /// What happened, so that a test can see that the seeds reach every corner.
    record Counts(
            long finished,
            long cancelled,
            long aborted,
            long refused,
            long preemptions,
            long mixedSteps,
            long losses,
            long trace) {}

    private record Event(long time, long order, Runnable action) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            return time != other.time
                    ? Long.compare(time, other.time)
                    : Long.compare(order, other.order);
        }
    }

    /// A step on its way, with all blocks and slots it may touch.
    private record Sent(StepPlan plan, Set<Long> blocks, Set<Integer> slots) {}

    private static final class Progress {
        final List<Integer> outputs = new ArrayList<>();
        String end = "";
    }

    Simulation(long seed) {
        random = new Random(seed);
        int sequences = 1 + random.nextInt(12);
        limits = new WaitingLimits(10 + random.nextInt(60), 300 + random.nextInt(3000));
        shape = new GroupShape(1, sequences, 1 + random.nextInt(40), 120, 4, 2, groups());
        form();
        int requests = 10 + random.nextInt(50);
        long time = 0;
        for (int i = 0; i < requests; i++) {
            time += random.nextInt(random.nextInt(4) == 0 ? 400 : 20);
            at(time, this::arrive);
        }
        for (int i = random.nextInt(3); i > 0; i--) {
            at(random.nextLong(time + 500), this::loseGroup);
        }
    }

    private List<KvGroup> groups() {
        return switch (random.nextInt(3)) {
            case 0 -> List.of(KvGroup.full(64));
            case 1 -> List.of(KvGroup.full(64), KvGroup.full(64));
            default -> List.of(KvGroup.full(64), KvGroup.full(128), KvGroup.full(64));
        };
    }

    private void at(long time, Runnable action) {
        events.add(new Event(time, order++, action));
    }

    Counts run() {
        while (!events.isEmpty()) {
            var event = events.remove();
            now = event.time();
            event.action().run();
            pump();
        }
        progress.forEach(
                (sequence, seen) -> require(!seen.end.isEmpty(), sequence + " was never answered"));
        require(scheduler != null, "a group at the end");
        var load = live().load();
        require(
                load.freeBlocks() == load.blocks() && load.running() + load.waiting() == 0,
                "not all is back: " + load);
        count(load);
        return counts;
    }

    private void count(Scheduler.Load load) {
        counts =
                new Counts(
                        ended("finished"),
                        ended("cancelled"),
                        ended("aborted"),
                        ended("refused"),
                        counts.preemptions() + load.preemptions(),
                        counts.mixedSteps() + load.mixedSteps(),
                        losses,
                        trace);
    }

    private long ended(String how) {
        return progress.values().stream().filter(seen -> seen.end.equals(how)).count();
    }

    private Scheduler live() {
        if (scheduler == null) {
            throw new IllegalStateException("no group");
        }
        return scheduler;
    }

    /// A pool for a few sequences at most, down to one that hardly holds one.
    private void form() {
        int blocks = 2 + random.nextInt(random.nextInt(4) == 0 ? 24 : 90);
        shape =
                new GroupShape(
                        shape.epoch() + 1,
                        shape.maxSequences(),
                        shape.maxBatchedTokens(),
                        shape.maxModelLength(),
                        shape.blockSize(),
                        blocks,
                        shape.kvGroups());
        scheduler = new Scheduler(shape, limits, new BlockHasher(FakeWorker.KEY));
        worker = new FakeWorker(shape);
        workerFreeAt = now;
        lastFirstAdmission = -1;
        parked.forEach(this::submit);
        parked.clear();
    }

    private void loseGroup() {
        if (scheduler == null) {
            return;
        }
        losses++;
        count(live().load());
        var loss = live().lose();
        for (var sequence : loss.aborted()) {
            require(sequence.started(), sequence + " was aborted before it started");
            end(sequence, "aborted");
        }
        loss.waiting().forEach(sequence -> parked.add(List.of(sequence)));
        inFlight.clear();
        blocksOf.clear();
        scheduler = null;
        at(now + 50 + random.nextInt(200), this::form);
    }

    private void arrive() {
        var prompt = new int[1 + random.nextInt(random.nextInt(5) == 0 ? 80 : 20)];
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = random.nextInt(FakeWorker.VOCABULARY);
        }
        var request = "r" + arrivals;
        var choices = new ArrayList<Sequence>();
        int n = random.nextInt(5) == 0 ? 1 + random.nextInt(4) : 1;
        int most = 1 + random.nextInt(random.nextInt(3) == 0 ? 60 : 12);
        for (int choice = 0; choice < n; choice++) {
            var sequence = new Sequence(arrivals++, request, prompt, sampling(choice, most));
            progress.put(sequence, new Progress());
            choices.add(sequence);
            if (random.nextInt(6) == 0) {
                at(now + random.nextInt(300), () -> cancel(sequence));
            }
        }
        if (scheduler == null) {
            choices.forEach(sequence -> end(sequence, "refused"));
        } else {
            submit(choices);
        }
    }

    private SamplingParameters sampling(int choice, int maxTokens) {
        var greedy = SamplingParameters.greedy(maxTokens);
        return new SamplingParameters(
                1,
                1,
                0,
                0,
                greedy.penalties(),
                List.of(),
                random.nextLong(),
                choice,
                maxTokens,
                random.nextInt(maxTokens + 1),
                random.nextInt(4) == 0 ? List.of() : List.of(FakeWorker.END, 1),
                false,
                false,
                0);
    }

    private void submit(List<Sequence> choices) {
        switch (live().submit(choices)) {
            case Submission.Queued() -> {}
            case Submission.QueueFull(var message) -> refuse(choices, message);
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
        parked.removeIf(choices -> choices.contains(sequence));
        if (scheduler != null) {
            live().cancel(sequence);
            live().checkIntegrity();
        }
        end(sequence, "cancelled");
    }

    private Progress seen(Sequence sequence) {
        return requireNonNull(progress.get(sequence));
    }

    private void end(Sequence sequence, String how) {
        require(seen(sequence).end.isEmpty(), sequence + " ends twice");
        seen(sequence).end = how;
    }

    /// What the step loop does: plan while it may, send, and let the results come.
    private void pump() {
        while (scheduler != null && live().canPlan()) {
            var plan = live().plan(now);
            live().checkIntegrity();
            if (plan.isEmpty()) {
                return;
            }
            check(plan);
            send();
        }
    }

    private void send() {
        // The worker runs one step after the other; a result may be late.
        workerFreeAt = Math.max(workerFreeAt, now) + 5 + random.nextInt(20);
        long back = workerFreeAt + (random.nextInt(10) == 0 ? random.nextInt(100) : 0);
        var at = live();
        at(
                back,
                () -> {
                    if (scheduler == at) {
                        step();
                    }
                });
    }

    /// The oldest step in flight runs and its result arrives.
    private void step() {
        var sent = inFlight.remove();
        var result = requireNonNull(worker).run(sent.plan());
        trace = FakeWorker.mix(trace, FakeWorker.mix(now, sent.plan().tokenCount()));
        for (var event : live().apply(result)) {
            switch (event) {
                case SequenceEvent.Generated(var sequence, var position, var token) -> {
                    var outputs = seen(sequence).outputs;
                    require(seen(sequence).end.isEmpty(), sequence + " generates after its end");
                    require(position == outputs.size(), "position " + position);
                    outputs.add(token.id());
                }
                case SequenceEvent.Stopped(var sequence, var id) -> {
                    require(seen(sequence).outputs.getLast() == id, "stopped by " + id);
                    finish(sequence);
                }
                case SequenceEvent.LengthReached(var sequence) -> {
                    require(
                            seen(sequence).outputs.size() == sequence.sampling().maxTokens(),
                            "length of " + sequence);
                    finish(sequence);
                }
            }
        }
        live().checkIntegrity();
    }

    private void finish(Sequence sequence) {
        var expected = FakeWorker.expected(sequence.prompt(), sequence.sampling());
        require(
                seen(sequence).outputs.equals(expected),
                sequence + " generated " + seen(sequence).outputs + ", expected " + expected);
        end(sequence, "finished");
    }

    private void check(StepPlan plan) {
        require(inFlight.size() < Scheduler.DEPTH, inFlight.size() + " steps in flight");
        require(plan.tokenCount() <= shape.maxBatchedTokens(), plan.tokenCount() + " tokens");
        require(plan.rows().size() <= shape.maxSequences(), plan.rows().size() + " rows");
        for (var admission : plan.admitted()) {
            var sequence = admission.sequence();
            blocksOf.put(sequence, new HashSet<>());
            inFlight.forEach(
                    sent ->
                            require(
                                    !sent.slots().contains(admission.slot()),
                                    "slot " + admission.slot() + " is in a step in flight"));
            if (admission.outputIds().length == 0 && sequence.arrival() > lastFirstAdmission) {
                lastFirstAdmission = sequence.arrival();
            }
            require(
                    sequence.arrival() <= lastFirstAdmission,
                    sequence + " overtook " + lastFirstAdmission);
        }
        var blocks = new HashSet<Long>();
        var slots = new HashSet<Integer>();
        var written = new HashMap<Long, Sequence>();
        for (var row : plan.rows()) {
            require(slots.add(row.slot()), "two rows for slot " + row.slot());
            var own = requireNonNull(blocksOf.get(row.sequence()));
            for (int group = 0; group < row.newBlocks().length; group++) {
                for (int block : row.newBlocks()[group]) {
                    long key = pool(group) << 32 | block;
                    inFlight.forEach(
                            sent ->
                                    require(
                                            !sent.blocks().contains(key),
                                            "block " + block + " is in a step in flight"));
                    require(own.add(key), "block " + block + " twice in one sequence");
                }
            }
            for (long key : own) {
                var other = written.put(key, row.sequence());
                require(other == null, "block " + key + " belongs to two live sequences");
            }
            blocks.addAll(own);
        }
        inFlight.add(new Sent(plan, blocks, slots));
    }

    private long pool(int group) {
        long bytes = shape.kvGroups().get(group).bytesPerBlock();
        return bytes;
    }

    private void require(boolean condition, String what) {
        if (!condition) {
            throw new IllegalStateException("at " + now + ": " + what);
        }
    }
}

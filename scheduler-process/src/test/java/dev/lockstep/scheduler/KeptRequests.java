// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static java.util.Objects.requireNonNull;

import dev.lockstep.proto.v1.CommittedChoice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// The requests of a simulated scheduler: the call that each answers, all that was generated for
/// it, and, for a while after its coordinator is gone, the request itself.
final class KeptRequests {
    private final ClusterSimulation cluster;
    private final SimulatedScheduler scheduler;
    private final List<Kept> all = new ArrayList<>();
    private final Map<Sequence, Kept> owners = new LinkedHashMap<>();
    private final Map<Kept, Map<Integer, Integer>> fresh = new LinkedHashMap<>();

    private static final class Kept {
        final RequestRecord record;
        final Map<Integer, Output> outputs = new TreeMap<>();
        final List<Sequence> sequences = new ArrayList<>();
        Optional<RequestCall> call;
        long since;
        // Whether its last coordinator went without a word.
        boolean orphan;

        Kept(RequestRecord record, RequestCall call) {
            this.record = record;
            this.call = Optional.of(call);
        }

        Output output(int choice) {
            return requireNonNull(outputs.get(choice));
        }

        boolean complete() {
            return outputs.values().stream().allMatch(output -> output.ended);
        }

        void send(RequestFrame frame) {
            call.ifPresent(to -> to.reply(frame));
        }
    }

    private static final class Output {
        final List<Integer> ids;
        boolean ended;

        Output(List<Integer> committed) {
            ids = new ArrayList<>(committed);
        }
    }

    KeptRequests(ClusterSimulation cluster, SimulatedScheduler scheduler) {
        this.cluster = cluster;
        this.scheduler = scheduler;
    }

    boolean isEmpty() {
        return all.isEmpty();
    }

    /// Queues the choices of a request, or those that go on.
    void submit(
            RequestCall call,
            RequestRecord record,
            List<CommittedChoice> committed,
            Scheduler to,
            int kvGroups) {
        // A newer attempt takes the place of one whose coordinator is gone.
        List.copyOf(all).stream()
                .filter(one -> one.record.id().equals(record.id()) && one.call.isEmpty())
                .forEach(this::drop);
        var kept = new Kept(record, call);
        for (Choice choice : record.choices()) {
            Optional<CommittedChoice> known =
                    committed.stream().filter(one -> one.getChoice() == choice.index()).findFirst();
            if (!committed.isEmpty() && known.isEmpty()) {
                continue;
            }
            var sequence =
                    new Sequence(
                            cluster.nextArrival(),
                            record.id(),
                            record.prompt(),
                            choice,
                            record.wanted(),
                            record.options(),
                            kept.sequences.isEmpty()
                                    ? Optional.empty()
                                    : Optional.of(kept.sequences.getFirst()),
                            kvGroups);
            List<Integer> ids = known.map(CommittedChoice::getIdsList).orElse(List.of());
            sequence.goOnAfter(ids);
            kept.sequences.add(sequence);
            kept.outputs.put(choice.index(), new Output(ids));
        }
        Submission submission =
                to.submit(kept.sequences, !committed.isEmpty(), cluster.time().nanos());
        switch (submission) {
            case Submission.Queued() -> {
                all.add(kept);
                kept.sequences.forEach(sequence -> owners.put(sequence, kept));
                kept.send(new RequestFrame.Accepted());
            }
            case Submission.QueueFull _, Submission.TooLate _ -> {
                // Of a stream that brings its request twice the first one counts.
                if (all.stream().noneMatch(one -> one.call.equals(Optional.of(call)))) {
                    call.reply(new RequestFrame.Failed(RequestFrame.Reason.OVERLOADED));
                }
            }
            case Submission.Unservable _ ->
                    call.reply(new RequestFrame.Failed(RequestFrame.Reason.INVALID));
        }
    }

    /// Answers a coordinator that takes over a request of another one.
    void attach(RequestCall call, String id) {
        Optional<Kept> found =
                all.stream().filter(one -> one.record.id().equals(id)).reduce((a, b) -> b);
        if (found.isEmpty()) {
            call.reply(new RequestFrame.Failed(RequestFrame.Reason.GONE));
            return;
        }
        Kept kept = found.get();
        kept.call.ifPresent(old -> old.closeAtScheduler());
        kept.call = Optional.of(call);
        kept.orphan = false;
        kept.send(new RequestFrame.Attached(kept.record));
        kept.outputs.forEach(
                (choice, output) ->
                        kept.send(new RequestFrame.Tokens(choice, 0, output.ids, output.ended)));
    }

    /// The coordinator of a call is gone, or has cancelled it.
    void ended(RequestCall call, boolean cancelled) {
        for (Kept kept : List.copyOf(all)) {
            if (!kept.call.equals(Optional.of(call))) {
                continue;
            }
            kept.call = Optional.empty();
            kept.orphan = !cancelled;
            if (kept.complete()) {
                // Its own window has begun.
                continue;
            }
            if (cancelled || !kept.record.resumable()) {
                drop(kept);
                continue;
            }
            cluster.happened(Happening.KEPT_WITHOUT_COORDINATOR);
            long since = cluster.time().nanos();
            kept.since = since;
            cluster.time()
                    .after(
                            cluster.window(),
                            () -> scheduler.receive(() -> windowEnded(kept, since)));
        }
    }

    private void windowEnded(Kept kept, long since) {
        // It may have been attached and left again, which began a window of its own.
        if (all.contains(kept) && kept.call.isEmpty() && kept.since == since && !kept.complete()) {
            cluster.happened(Happening.WINDOW_ENDED);
            drop(kept);
        }
    }

    private void drop(Kept kept) {
        all.remove(kept);
        for (Sequence sequence : kept.sequences) {
            if (owners.remove(sequence) != null) {
                scheduler.cancel(sequence);
            }
        }
    }

    /// Sends what a step has for each choice, and its end, as one frame.
    void deliver(List<SequenceEvent> events) {
        fresh.clear();
        List<Sequence> late = new ArrayList<>();
        for (SequenceEvent event : events) {
            Kept kept = owners.get(event.sequence());
            if (kept == null) {
                continue;
            }
            int choice = event.sequence().choice().index();
            Output output = kept.output(choice);
            switch (event) {
                case SequenceEvent.Generated(var _, var position, var token) -> {
                    cluster.require(position == output.ids.size(), "position " + position);
                    fresh.computeIfAbsent(kept, any -> new TreeMap<>())
                            .putIfAbsent(choice, position);
                    output.ids.add(token.id());
                }
                case SequenceEvent.Stopped(var sequence, var _) -> end(kept, sequence);
                case SequenceEvent.LengthReached(var sequence) -> end(kept, sequence);
                case SequenceEvent.Expired(var sequence) -> late.add(sequence);
                case SequenceEvent.Computed(var _, var outputs) ->
                        kept.send(
                                new RequestFrame.Outputs(
                                        choice,
                                        outputs.position(),
                                        outputs.hiddenStates().stream()
                                                .map(FakeWorker::value)
                                                .toList()));
                case SequenceEvent.Refused _ ->
                        throw new IllegalStateException("unexpected: " + event);
            }
        }
        fresh.forEach(
                (kept, choices) ->
                        choices.forEach(
                                (choice, from) -> {
                                    Output output = kept.output(choice);
                                    kept.send(
                                            new RequestFrame.Tokens(
                                                    choice,
                                                    from,
                                                    output.ids.subList(from, output.ids.size()),
                                                    output.ended));
                                }));
        fresh.keySet().stream().filter(Kept::complete).forEach(this::completed);
        late.forEach(sequence -> fail(sequence, RequestFrame.Reason.EXPIRED));
    }

    private void end(Kept kept, Sequence sequence) {
        owners.remove(sequence);
        Output output = kept.output(sequence.choice().index());
        output.ended = true;
        fresh.computeIfAbsent(kept, any -> new TreeMap<>())
                .putIfAbsent(sequence.choice().index(), output.ids.size());
    }

    /// A complete request is kept, too: its coordinator may die before the client has all of it.
    private void completed(Kept kept) {
        if (kept.record.resumable()) {
            cluster.time()
                    .after(
                            cluster.window(),
                            () ->
                                    scheduler.receive(
                                            () -> {
                                                if (kept.orphan) {
                                                    cluster.happened(Happening.WINDOW_ENDED);
                                                }
                                                drop(kept);
                                            }));
        } else {
            drop(kept);
        }
    }

    boolean owns(Sequence sequence) {
        return owners.containsKey(sequence);
    }

    void fail(Sequence sequence, RequestFrame.Reason reason) {
        Kept kept = owners.get(sequence);
        if (kept != null) {
            kept.send(new RequestFrame.Failed(reason));
            drop(kept);
        }
    }

    void failAll(RequestFrame.Reason reason) {
        for (Kept kept : List.copyOf(all)) {
            kept.send(new RequestFrame.Failed(reason));
            drop(kept);
        }
    }

    @Override
    public String toString() {
        return Arrays.toString(all.stream().map(kept -> kept.record.id()).toArray());
    }
}

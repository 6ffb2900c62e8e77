// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// The recent events of each sequence: a ring of events in primitive arrays, cheap enough to be
/// always on. Consecutive steps with the same number of tokens are one event. The oldest events,
/// and the oldest requests, are dropped.
///
/// Owned by the step loop's thread.
public final class Timeline {
    private static final int REQUESTS = 8192;
    private static final int NOTHING = -1;

    enum Kind {
        QUEUED,
        MOVED,
        WAITS,
        ADMITTED,
        STEPS,
        PREEMPTED,
        PARKED,
        RESUMED,
        FINISHED,
        CANCELLED,
        ABORTED,
        EXPIRED,
        REFUSED
    }

    /// Why the sequence that goes next is not admitted: its blocks are not free; the step's tokens
    /// are all used; no slot is free; a later one of another tenant goes first; another computes
    /// its prefix.
    public enum Reason {
        NONE,
        MEMORY,
        BUDGET,
        SLOTS,
        FAIRNESS,
        DEPENDENCY
    }

    enum Phase {
        QUEUE,
        PREFILL,
        DECODE,
        OVER
    }

    /// One event; `nanos` counts from the arrival of its sequence.
    public record Event(
            long nanos,
            Kind kind,
            Reason reason,
            String onRequest,
            long firstStep,
            long lastStep,
            int tokens,
            int batchRows,
            int batchTokens) {}

    /// The events of one choice, oldest first, and the time spent in each of its phases, in
    /// nanoseconds.
    public record Choice(
            int choice,
            Sequence.State state,
            List<Event> events,
            boolean truncated,
            long queueNanos,
            long prefillNanos,
            long decodeNanos) {}

    /// The state of one sequence; kept as long as its request is remembered.
    static final class Track {
        final Sequence sequence;
        final long arrivedNanos;
        Phase phase = Phase.QUEUE;
        long phaseSince;
        long queueNanos;
        long prefillNanos;
        long decodeNanos;
        int last = NOTHING;
        boolean truncated;

        Track(Sequence sequence, long nanos) {
            this.sequence = sequence;
            this.arrivedNanos = nanos;
            this.phaseSince = nanos;
        }

        void enter(Phase following, long nanos) {
            long spent = nanos - phaseSince;
            switch (phase) {
                case QUEUE -> queueNanos += spent;
                case PREFILL -> prefillNanos += spent;
                case DECODE -> decodeNanos += spent;
                case OVER -> {}
            }
            phase = following;
            phaseSince = nanos;
        }
    }

    private final int mask;
    private final Track[] owner;
    private final int[] previous;
    private final Kind[] kind;
    private final Reason[] reason;
    private final long[] nanos;
    private final long[] onArrival;
    private final long[] firstStep;
    private final long[] lastStep;
    private final int[] tokens;
    private final int[] batchRows;
    private final int[] batchTokens;
    private int next;

    private final Map<String, List<Track>> requests =
            new LinkedHashMap<>() {
                @Override
                protected boolean removeEldestEntry(Map.Entry<String, List<Track>> eldest) {
                    return size() > REQUESTS;
                }
            };

    // The request of each arrival, for the latest ones.
    private final String[] requestOf = new String[REQUESTS];
    private final long[] arrivalOf = new long[REQUESTS];
    private long now;

    /// @param events a power of two
    public Timeline(int events) {
        mask = events - 1;
        owner = new Track[events];
        previous = new int[events];
        kind = new Kind[events];
        reason = new Reason[events];
        nanos = new long[events];
        onArrival = new long[events];
        firstStep = new long[events];
        lastStep = new long[events];
        tokens = new int[events];
        batchRows = new int[events];
        batchTokens = new int[events];
    }

    /// Sets the time of the events that follow.
    void at(long nanos) {
        now = nanos;
    }

    void queued(Sequence sequence) {
        var track = new Track(sequence, now);
        sequence.track = track;
        requests.computeIfAbsent(sequence.requestId(), any -> new ArrayList<>(1)).add(track);
        int index = (int) (sequence.arrival() & REQUESTS - 1);
        requestOf[index] = sequence.requestId();
        arrivalOf[index] = sequence.arrival();
        add(sequence, Kind.QUEUED, Reason.NONE);
    }

    /// Records that a queued sequence had been accepted before, by another scheduler or while the
    /// group was formed.
    void moved(Sequence sequence) {
        add(sequence, Kind.MOVED, Reason.NONE);
    }

    void waits(Sequence sequence, Reason why) {
        int last = last(sequence);
        if (last == NOTHING || kind[last] != Kind.WAITS || reason[last] != why) {
            add(sequence, Kind.WAITS, why);
        }
    }

    void waitsFor(Sequence sequence, Sequence producer) {
        int last = last(sequence);
        if (last == NOTHING
                || kind[last] != Kind.WAITS
                || reason[last] != Reason.DEPENDENCY
                || onArrival[last] != producer.arrival()) {
            onArrival[add(sequence, Kind.WAITS, Reason.DEPENDENCY)] = producer.arrival();
        }
    }

    /// Records the admissions and rows of a plan that is sent.
    void planned(StepPlan plan) {
        for (StepPlan.Admission admission : plan.admitted()) {
            admitted(admission.sequence());
        }
        for (StepPlan.Row row : plan.rows()) {
            step(row, plan.number(), plan.rows().size(), plan.tokenCount());
        }
    }

    private void admitted(Sequence sequence) {
        int event = add(sequence, Kind.ADMITTED, Reason.NONE);
        tokens[event] = sequence.cachedTokens();
        onArrival[event] = sequence.blocks().producer();
        enter(sequence, Phase.PREFILL);
    }

    private void step(StepPlan.Row row, long number, int rows, int stepTokens) {
        int event = last(row.sequence());
        if (event == NOTHING
                || kind[event] != Kind.STEPS
                || lastStep[event] != number - 1
                || tokens[event] != row.count()) {
            event = add(row.sequence(), Kind.STEPS, Reason.NONE);
            firstStep[event] = number;
            tokens[event] = row.count();
        }
        lastStep[event] = number;
        batchRows[event] = rows;
        batchTokens[event] = stepTokens;
    }

    void generated(Sequence sequence) {
        Track track = sequence.track;
        if (track != null && track.phase == Phase.PREFILL) {
            enter(sequence, Phase.DECODE);
        }
    }

    void preempted(Sequence sequence) {
        add(sequence, Kind.PREEMPTED, Reason.MEMORY);
        enter(sequence, Phase.QUEUE);
    }

    /// Records that the group of a sequence is lost; it waits for the next one.
    void parked(Sequence sequence) {
        add(sequence, Kind.PARKED, Reason.NONE);
        enter(sequence, Phase.QUEUE);
    }

    void resumed(Sequence sequence) {
        add(sequence, Kind.RESUMED, Reason.NONE);
    }

    void ended(Sequence sequence) {
        add(
                sequence,
                switch (sequence.state()) {
                    case FINISHED -> Kind.FINISHED;
                    case CANCELLED -> Kind.CANCELLED;
                    case EXPIRED -> Kind.EXPIRED;
                    case REFUSED -> Kind.REFUSED;
                    case ABORTED, WAITING, RUNNING -> Kind.ABORTED;
                },
                Reason.NONE);
        enter(sequence, Phase.OVER);
    }

    /// Returns the last event of a sequence, unless it was overwritten.
    private int last(Sequence sequence) {
        return sequence.track == null ? NOTHING : last(sequence.track);
    }

    private int last(Track track) {
        return track.last == NOTHING || owner[track.last] != track ? NOTHING : track.last;
    }

    private int add(Sequence sequence, Kind what, Reason why) {
        int event = next;
        next = next + 1 & mask;
        Track track = sequence.track;
        if (track == null) {
            // A sequence that was never queued: its event belongs to no request.
            track = new Track(sequence, now);
        }
        int before = last(sequence);
        track.truncated |= before == NOTHING && track.last != NOTHING;
        owner[event] = track;
        previous[event] = before;
        kind[event] = what;
        reason[event] = why;
        nanos[event] = now;
        onArrival[event] = NOTHING;
        firstStep[event] = 0;
        lastStep[event] = 0;
        tokens[event] = 0;
        batchRows[event] = 0;
        batchTokens[event] = 0;
        track.last = event;
        return event;
    }

    private void enter(Sequence sequence, Phase phase) {
        Track track = sequence.track;
        if (track != null) {
            track.enter(phase, now);
        }
    }

    /// Returns the choices of a request, in order; empty when it is unknown, was dropped, or is of
    /// another tenant.
    public List<Choice> describe(String requestId, String tenant) {
        return requests.getOrDefault(requestId, List.of()).stream()
                .filter(track -> track.sequence.options().tenant().equals(tenant))
                .map(this::describe)
                .toList();
    }

    private Choice describe(Track track) {
        var events = new ArrayList<Event>();
        boolean truncated = track.truncated;
        int event = last(track);
        while (event != NOTHING) {
            events.add(event(track, event));
            int before = previous[event];
            boolean overwritten = before != NOTHING && owner[before] != track;
            truncated |= overwritten || (before == NOTHING && kind[event] != Kind.QUEUED);
            event = overwritten ? NOTHING : before;
        }
        Collections.reverse(events);
        track.enter(track.phase, now);
        return new Choice(
                track.sequence.choice().index(),
                track.sequence.state(),
                events,
                truncated,
                track.queueNanos,
                track.prefillNanos,
                track.decodeNanos);
    }

    private Event event(Track track, int event) {
        return new Event(
                nanos[event] - track.arrivedNanos,
                kind[event],
                reason[event],
                requestOf(onArrival[event]),
                firstStep[event],
                lastStep[event],
                tokens[event],
                batchRows[event],
                batchTokens[event]);
    }

    private String requestOf(long arrival) {
        if (arrival < 0) {
            return "";
        }
        int index = (int) (arrival & REQUESTS - 1);
        return arrivalOf[index] == arrival && requestOf[index] != null ? requestOf[index] : "";
    }

    /// Returns the name of an enum constant as the protocol writes it.
    public static String label(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.WaitingLimits;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// The time in which a group is formed anew with another number of ranks. It still counts as ready:
/// new requests are accepted, as far as they may wait in the queue, and wait beside those that ran.
/// Owned by the step loop's thread.
final class Resizing {
    /// The longest time that a group counts as ready without being formed: it is formed with the
    /// new number, or else with the old one again.
    static final Duration MAX_WAIT = Duration.ofMinutes(5);

    private final WaitingLimits limits;
    private final Set<RequestStream> waiting = new LinkedHashSet<>();
    private Optional<FormedGroup> before = Optional.empty();
    private long sinceNanos;
    private int sequences;
    private long tokens;

    Resizing(WaitingLimits limits) {
        this.limits = limits;
    }

    void begin(FormedGroup group, long nanos) {
        sinceNanos = nanos;
        before = Optional.of(group);
    }

    void end() {
        before = Optional.empty();
    }

    /// Returns the group of before; empty at any other time.
    Optional<FormedGroup> before() {
        return before;
    }

    boolean waitedFor(Duration longest, long nanos) {
        return before.isPresent() && nanos - sinceNanos > longest.toNanos();
    }

    /// Returns why a request may not wait; empty when it may.
    String full(RequestStream stream) {
        GenerateRequest request = stream.request();
        return request.accepted()
                ? ""
                : limits.full(sequences, tokens, request.choices().size(), tokens(request));
    }

    private static long tokens(GenerateRequest request) {
        return (long) request.choices().size() * request.promptIds().length;
    }

    void add(RequestStream stream) {
        if (waiting.add(stream)) {
            sequences += stream.request().choices().size();
            tokens += tokens(stream.request());
        }
    }

    void remove(RequestStream stream) {
        if (waiting.remove(stream)) {
            sequences -= stream.request().choices().size();
            tokens -= tokens(stream.request());
        }
    }

    boolean has(RequestStream stream) {
        return waiting.contains(stream);
    }

    /// Returns what waits, in the order of its arrival.
    List<RequestStream> waiting() {
        return List.copyOf(waiting);
    }

    /// Returns the state of the queue for the gate.
    Gate.Queue queue(RetryEstimate retryAfter) {
        return new Gate.Queue(sequences, tokens, retryAfter.estimate(sequences));
    }
}

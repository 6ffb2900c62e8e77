// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Sequences whose group was lost, and those that join them: they wait for a limited time for the
/// next group of the same model.
final class ParkedSequences {
    /// The longest time that they wait after a loss.
    static final Duration MAX_WAIT = Duration.ofSeconds(60);

    private final List<Sequence> parked = new ArrayList<>();
    private String modelDigest = "";
    private long sinceNanos;

    int count() {
        return parked.size();
    }

    /// Adds sequences of a lost group of the model with this digest.
    void add(List<Sequence> sequences, String digest, long nanos) {
        modelDigest = digest;
        sinceNanos = nanos;
        parked.addAll(sequences);
    }

    /// Adds sequences that no group has begun.
    void join(List<Sequence> sequences) {
        parked.addAll(sequences);
    }

    /// Removes a sequence. Returns false when it is not parked.
    boolean remove(Sequence sequence) {
        return parked.remove(sequence);
    }

    /// Removes all sequences and returns them in their old order.
    List<Sequence> takeAll() {
        List<Sequence> all = List.copyOf(parked);
        parked.clear();
        return all;
    }

    /// Returns the earliest deadline; [SchedulingOptions#NO_DEADLINE] when there is none.
    long nextDeadline() {
        long next = SchedulingOptions.NO_DEADLINE;
        for (Sequence sequence : parked) {
            next = Math.min(next, sequence.options().deadlineNanos());
        }
        return next;
    }

    /// Returns the sequences whose deadline has passed.
    List<Sequence> late(long nanos) {
        return nextDeadline() > nanos
                ? List.of()
                : parked.stream().filter(one -> one.options().deadlineNanos() <= nanos).toList();
    }

    /// Whether a group of the model with this digest can continue them.
    boolean fit(String digest) {
        return modelDigest.equals(digest);
    }

    boolean waitedFor(Duration longest, long nanos) {
        return !parked.isEmpty() && nanos - sinceNanos > longest.toNanos();
    }
}

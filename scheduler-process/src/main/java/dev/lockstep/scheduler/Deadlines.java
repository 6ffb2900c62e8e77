package dev.lockstep.scheduler;

import java.util.Comparator;
import java.util.PriorityQueue;

/// Sequences that must have ended by a time, the most urgent first. One that ended before stays
/// until its time has come.
final class Deadlines {
    private final PriorityQueue<Sequence> queue =
            new PriorityQueue<>(Comparator.comparingLong(one -> one.options().deadlineNanos()));

    /// Nothing for one without a deadline.
    void add(Sequence sequence) {
        if (sequence.options().deadlineNanos() != SchedulingOptions.NO_DEADLINE) {
            queue.add(sequence);
        }
    }

    /// The time of the first; [SchedulingOptions#NO_DEADLINE] when there is none.
    long next() {
        var first = queue.peek();
        return first == null ? SchedulingOptions.NO_DEADLINE : first.options().deadlineNanos();
    }

    /// Takes the first out.
    Sequence remove() {
        return queue.remove();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Comparator;
import java.util.PriorityQueue;

/// Sequences that must have ended by a time, the most urgent first. A sequence that ends earlier
/// stays until that time.
final class Deadlines {
    private final PriorityQueue<Sequence> queue =
            new PriorityQueue<>(Comparator.comparingLong(one -> one.options().deadlineNanos()));

    /// Adds a sequence, unless it has no deadline.
    void add(Sequence sequence) {
        if (sequence.options().deadlineNanos() != SchedulingOptions.NO_DEADLINE) {
            queue.add(sequence);
        }
    }

    /// The earliest deadline; [SchedulingOptions#NO_DEADLINE] when there is none.
    long next() {
        Sequence first = queue.peek();
        return first == null ? SchedulingOptions.NO_DEADLINE : first.options().deadlineNanos();
    }

    /// Removes and returns the sequence with the earliest deadline.
    Sequence remove() {
        return queue.remove();
    }
}

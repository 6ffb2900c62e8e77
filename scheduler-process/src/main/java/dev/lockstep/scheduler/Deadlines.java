// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Comparator;
import java.util.PriorityQueue;

/// Sequences that must have ended by a time, the most urgent first. Those that have ended earlier
/// leave it before they are as many as the others.
final class Deadlines {
    /// So many may have ended without a search for them.
    private static final int FEW = 64;

    private final PriorityQueue<Sequence> queue =
            new PriorityQueue<>(Comparator.comparingLong(one -> one.options().deadlineNanos()));

    private int cleanAt = FEW;

    /// Adds a sequence, unless it has no deadline.
    void add(Sequence sequence) {
        if (sequence.options().deadlineNanos() == SchedulingOptions.NO_DEADLINE) {
            return;
        }
        if (queue.size() >= cleanAt) {
            queue.removeIf(one -> !one.live());
            cleanAt = Math.max(FEW, 2 * queue.size());
        }
        queue.add(sequence);
    }

    int size() {
        return queue.size();
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

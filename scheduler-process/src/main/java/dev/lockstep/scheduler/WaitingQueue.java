// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Waiting sequences in order of arrival: a linked list through the sequences, so that a cancelled
/// one leaves the middle in O(1). A preempted one finds its old place from the front.
final class WaitingQueue {
    private @Nullable Sequence first;
    private @Nullable Sequence last;

    boolean isEmpty() {
        return first == null;
    }

    Optional<Sequence> first() {
        return Optional.ofNullable(first);
    }

    /// Cost of the prefills of all sequences, as [StepTime#cost] counts it, common ones once.
    long cost() {
        long sum = 0;
        for (Sequence each = first; each != null; each = each.next) {
            sum += each.queuedCost;
        }
        return sum;
    }

    void add(Sequence sequence) {
        if (last == null || last.arrival() < sequence.arrival()) {
            link(last, sequence, null);
            return;
        }
        Sequence after = first;
        while (after != null && after.arrival() < sequence.arrival()) {
            after = after.next;
        }
        link(after == null ? last : after.previous, sequence, after);
    }

    private void link(@Nullable Sequence before, Sequence sequence, @Nullable Sequence after) {
        sequence.previous = before;
        sequence.next = after;
        if (before == null) {
            first = sequence;
        } else {
            before.next = sequence;
        }
        if (after == null) {
            last = sequence;
        } else {
            after.previous = sequence;
        }
    }

    void remove(Sequence sequence) {
        Sequence before = sequence.previous;
        Sequence after = sequence.next;
        if (before == null) {
            first = after;
        } else {
            before.next = after;
        }
        if (after == null) {
            last = before;
        } else {
            after.previous = before;
        }
        sequence.previous = null;
        sequence.next = null;
    }
}

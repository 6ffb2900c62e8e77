package dev.lockstep.scheduler;

import org.jspecify.annotations.Nullable;

/// The sequences that hold no slot, first come first served; a paused one goes back to the front. A
/// linked list through the sequences, so that a cancelled one leaves the middle in O(1).
final class WaitingQueue {
    private @Nullable Sequence first;
    private @Nullable Sequence last;
    private int size;
    private long tokens;

    int size() {
        return size;
    }

    /// Ids of all that wait, those of outputs included.
    long tokens() {
        return tokens;
    }

    boolean isEmpty() {
        return size == 0;
    }

    Sequence first() {
        if (first == null) {
            throw new IllegalStateException("nobody waits");
        }
        return first;
    }

    void addLast(Sequence sequence) {
        sequence.previous = last;
        sequence.next = null;
        if (last == null) {
            first = sequence;
        } else {
            last.next = sequence;
        }
        last = sequence;
        count(sequence, 1);
    }

    void addFirst(Sequence sequence) {
        sequence.previous = null;
        sequence.next = first;
        if (first == null) {
            last = sequence;
        } else {
            first.previous = sequence;
        }
        first = sequence;
        count(sequence, 1);
    }

    void remove(Sequence sequence) {
        var before = sequence.previous;
        var after = sequence.next;
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
        count(sequence, -1);
    }

    /// A waiting sequence's ids grew by one: the last step before it was paused brought a token.
    void grew() {
        tokens++;
    }

    private void count(Sequence sequence, int sign) {
        size += sign;
        tokens += (long) sign * sequence.knownLength();
    }
}

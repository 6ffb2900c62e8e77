package dev.lockstep.scheduler;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/// Where every live sequence is, and the slots and blocks of those that left.
///
/// Running, then waiting, is always the order of arrival: the youngest running sequence is the one
/// that is paused, and it goes to the front of those waiting. What a sequence gives up returns only
/// when every step sent before has completed, because such a step may still write to it.
final class Sequences {
    private final KvCacheManager kv;
    private final WaitingQueue waiting = new WaitingQueue();
    private final List<Sequence> running = new ArrayList<>();
    private final int[] freeSlots;
    private int freeSlotCount;
    private final ArrayDeque<Departure> departures = new ArrayDeque<>();
    private final List<Integer> releasedSlots = new ArrayList<>();
    private final List<Sequence> admitted = new ArrayList<>();
    private long sent;
    private long completed;
    private long pauses;

    /// A slot and blocks that return when step `lastStep` has completed.
    private record Departure(long lastStep, int slot, BlockTable[] tables) {}

    Sequences(KvCacheManager kv, int slots) {
        this.kv = kv;
        freeSlots = new int[slots];
        for (int slot = slots - 1; slot >= 0; slot--) {
            freeSlots[freeSlotCount++] = slot;
        }
    }

    WaitingQueue waiting() {
        return waiting;
    }

    /// In order of arrival; for reading.
    List<Sequence> running() {
        return running;
    }

    /// How often a sequence was paused.
    long pauses() {
        return pauses;
    }

    /// The first that waits has a slot to go to, and no step in flight owes it a token.
    boolean canAdmit() {
        return freeSlotCount > 0 && !waiting.isEmpty() && waiting.first().pending() == 0;
    }

    Sequence admitFirst() {
        var sequence = waiting.first();
        waiting.remove(sequence);
        sequence.admit(freeSlots[--freeSlotCount], kv.newTables());
        running.add(sequence);
        admitted.add(sequence);
        return sequence;
    }

    boolean isYoungest(Sequence sequence) {
        return running.getLast() == sequence;
    }

    void pauseYoungest() {
        var sequence = running.removeLast();
        depart(sequence);
        sequence.pause();
        waiting.addFirst(sequence);
        pauses++;
    }

    /// Takes a live sequence out for good.
    void end(Sequence sequence, Sequence.State terminal) {
        if (sequence.state() == Sequence.State.RUNNING) {
            running.remove(sequence);
            depart(sequence);
        } else {
            waiting.remove(sequence);
        }
        sequence.end(terminal);
    }

    private void depart(Sequence sequence) {
        var departure = new Departure(sent, sequence.slot(), sequence.tables());
        if (sent == completed) {
            kv.release(departure.tables());
            release(departure.slot());
        } else {
            kv.retire(departure.tables());
            departures.add(departure);
        }
    }

    private void release(int slot) {
        freeSlots[freeSlotCount++] = slot;
        releasedSlots.add(slot);
    }

    void stepSent() {
        sent++;
    }

    void stepCompleted() {
        completed++;
        while (!departures.isEmpty() && departures.peek().lastStep() <= completed) {
            var departure = departures.remove();
            kv.releaseRetired(departure.tables());
            release(departure.slot());
        }
    }

    /// Slots given up since the last call, for the next step to tell.
    int[] takeReleasedSlots() {
        var slots = releasedSlots.stream().mapToInt(Integer::intValue).toArray();
        releasedSlots.clear();
        return slots;
    }

    /// Sequences admitted since the last call.
    List<Sequence> takeAdmitted() {
        var sequences = List.copyOf(admitted);
        admitted.clear();
        return sequences;
    }

    /// Throws unless blocks and slots balance and the order of arrival holds.
    void checkIntegrity() {
        var held = running.stream().map(Sequence::tables).toList();
        var retired = departures.stream().map(Departure::tables).toList();
        kv.checkIntegrity(held, retired);
        var seen = new boolean[freeSlots.length];
        for (int i = 0; i < freeSlotCount; i++) {
            claim(seen, freeSlots[i]);
        }
        departures.forEach(departure -> claim(seen, departure.slot()));
        running.forEach(sequence -> claim(seen, sequence.slot()));
        for (int slot = 0; slot < seen.length; slot++) {
            if (!seen[slot]) {
                throw new IllegalStateException("slot " + slot + " is lost");
            }
        }
        long before = Long.MIN_VALUE;
        for (var sequence : running) {
            before = requireAfter(before, sequence);
        }
        long tokens = 0;
        int size = 0;
        var sequence = waiting.isEmpty() ? null : waiting.first();
        for (; sequence != null; sequence = sequence.next) {
            before = requireAfter(before, sequence);
            tokens += sequence.knownLength();
            size++;
        }
        if (size != waiting.size() || tokens != waiting.tokens()) {
            throw new IllegalStateException(
                    "waiting: "
                            + size
                            + " sequences of "
                            + tokens
                            + " tokens found, counted "
                            + waiting.size()
                            + " of "
                            + waiting.tokens());
        }
    }

    private static void claim(boolean[] seen, int slot) {
        if (seen[slot]) {
            throw new IllegalStateException("slot " + slot + " is in two places");
        }
        seen[slot] = true;
    }

    private static long requireAfter(long before, Sequence sequence) {
        if (sequence.arrival() <= before) {
            throw new IllegalStateException(sequence + " stands behind arrival " + before);
        }
        return sequence.arrival();
    }
}

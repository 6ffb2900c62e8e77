// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.PriorityQueue;
import java.util.Random;

/// The time of a simulation: runs actions in the order of their times, and nothing waits.
final class VirtualTime {
    private static final long MILLI = 1_000_000;

    private final Random random;
    private final PriorityQueue<Event> events = new PriorityQueue<>();
    private long now;
    private long order;

    private record Event(long nanos, long order, Runnable action) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            return nanos != other.nanos
                    ? Long.compare(nanos, other.nanos)
                    : Long.compare(order, other.order);
        }
    }

    VirtualTime(Random random) {
        this.random = random;
    }

    long nanos() {
        return now;
    }

    static long millis(long count) {
        return count * MILLI;
    }

    /// Returns a duration in nanoseconds.
    long between(int minMillis, int maxMillis) {
        return millis(minMillis) + random.nextLong(millis(maxMillis - minMillis) + 1);
    }

    void at(long nanos, Runnable action) {
        events.add(new Event(Math.max(now, nanos), order++, action));
    }

    void after(long nanos, Runnable action) {
        at(now + nanos, action);
    }

    /// Runs the next action. Returns false if there is none.
    boolean step() {
        Event event = events.poll();
        if (event == null) {
            return false;
        }
        now = event.nanos();
        event.action().run();
        return true;
    }
}

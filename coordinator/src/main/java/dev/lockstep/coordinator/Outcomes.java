package dev.lockstep.coordinator;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/// How the requests of this coordinator's life ended, counted by HTTP status; over gRPC by what it
/// would be. Any thread adds; the statuses are ours, so there are few.
final class Outcomes {
    private final Map<Integer, LongAdder> byStatus = new ConcurrentHashMap<>();

    void add(int status) {
        byStatus.computeIfAbsent(status, ignored -> new LongAdder()).increment();
    }

    /// In the order of the statuses.
    Map<Integer, Long> counts() {
        Map<Integer, Long> counts = new TreeMap<>();
        byStatus.forEach((status, count) -> counts.put(status, count.sum()));
        return counts;
    }
}

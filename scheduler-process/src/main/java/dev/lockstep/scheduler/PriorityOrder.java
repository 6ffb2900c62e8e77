// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/// Higher priority first, then order of arrival. A running sequence is preempted for one of higher
/// priority; when memory runs out, the lowest priority is preempted first.
public final class PriorityOrder implements WaitingOrder {
    private static final Comparator<Sequence> WORTH =
            Comparator.comparingInt(Sequence::priority)
                    .thenComparing(Sequence::arrival, Comparator.reverseOrder());

    private final TreeMap<Integer, WaitingQueue> queues = new TreeMap<>();

    @Override
    public String name() {
        return "priority";
    }

    @Override
    public void add(Sequence sequence) {
        queues.computeIfAbsent(sequence.priority(), any -> new WaitingQueue()).add(sequence);
    }

    @Override
    public void remove(Sequence sequence) {
        WaitingQueue queue = queues.get(sequence.priority());
        if (queue == null) {
            throw new IllegalStateException(sequence + " does not wait");
        }
        queue.remove(sequence);
        if (queue.isEmpty()) {
            queues.remove(sequence.priority());
        }
    }

    @Override
    public Optional<Sequence> first() {
        return queues.isEmpty() ? Optional.empty() : queues.lastEntry().getValue().first();
    }

    @Override
    public boolean mayPass(Sequence shorter, Sequence first) {
        return shorter.priority() >= first.priority();
    }

    @Override
    public boolean precedes(Sequence waiting, Sequence arriving) {
        return waiting.priority() >= arriving.priority();
    }

    @Override
    public long ahead(Sequence arriving, long all) {
        long ahead = 0;
        for (WaitingQueue queue : queues.tailMap(arriving.priority(), true).values()) {
            ahead += queue.cost();
        }
        return ahead;
    }

    @Override
    public Sequence victim(List<Sequence> candidates) {
        return candidates.stream().min(WORTH).orElseThrow();
    }

    @Override
    public boolean yields(Sequence running, Sequence waiting) {
        return running.priority() < waiting.priority();
    }
}

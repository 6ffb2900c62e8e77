// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;
import java.util.Optional;

/// Admits what fits this step and, when memory runs out, preempts from the tail; preempted
/// sequences are computed again later. Guaranteed sequences are admitted only when they can finish
/// and are never preempted; best-effort sequences use the rest.
///
/// The sequence admitted first can take everything the others hold, and a sequence that does not
/// fit alone was refused when it was submitted: so at least one sequence always advances.
public final class MaximumUtilization implements CapacityScheduler {
    @Override
    public String name() {
        return "maximum-utilization";
    }

    @Override
    public void select(Capacity capacity) {
        boolean crowded = false;
        List<Sequence> running = capacity.running();
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            if (!capacity.wants(sequence)) {
                continue;
            }
            if (!capacity.tryRun(sequence)) {
                crowded = true;
                i -= makeRoom(capacity, sequence, i);
            }
        }
        boolean blocked = admitGuaranteed(capacity);
        if (!crowded && !blocked) {
            admitBestEffort(capacity);
            admitShort(capacity);
        }
    }

    private static void admitBestEffort(Capacity capacity) {
        while (capacity.wantsMore()) {
            Optional<Sequence> next = capacity.nextBestEffort();
            if (next.isEmpty()) {
                return;
            }
            if (!capacity.tryAdmit(next.get())) {
                makeRoom(capacity, next.get(), capacity.victimFor(next.get()));
                return;
            }
        }
    }

    private static void admitShort(Capacity capacity) {
        Optional<Sequence> next = capacity.nextShort();
        while (next.isPresent() && capacity.tryAdmit(next.get())) {
            next = capacity.nextShort();
        }
    }

    /// Admits guaranteed sequences. Returns true when memory must be freed before the next one can
    /// start, so that no other sequence may take it.
    private static boolean admitGuaranteed(Capacity capacity) {
        while (capacity.wantsMore()) {
            Optional<Sequence> next = capacity.next().filter(Sequence::guaranteed);
            if (next.isEmpty() || !capacity.fitsBesideGuaranteed(next.get())) {
                return false;
            }
            if (!capacity.tryAdmit(next.get())) {
                while (makeRoom(capacity, next.get(), capacity.victim())) {}
                return true;
            }
        }
        return false;
    }

    /// Preempts `victim` unless memory returns soon. The memory is free when the steps in flight
    /// have ended; `waiting` is admitted then.
    private static boolean makeRoom(
            Capacity capacity, Sequence waiting, Optional<Sequence> victim) {
        if (victim.isEmpty() || capacity.memoryReturnsSoon(waiting)) {
            return false;
        }
        capacity.preempt(victim.get());
        return true;
    }

    /// Lets `sequence` run one token, and preempts others for it. Otherwise it does not run in this
    /// step and keeps its blocks: either a block returns soon, or the others will finish or preempt
    /// it. Returns how many sequences preceding it were preempted.
    private static int makeRoom(Capacity capacity, Sequence sequence, int index) {
        int preempted = 0;
        while (!capacity.tryRunOneToken(sequence) && !capacity.memoryReturnsSoon(sequence)) {
            Optional<Sequence> victim = capacity.victim();
            if (victim.isEmpty() || victim.get() == sequence) {
                break;
            }
            preempted += capacity.running().indexOf(victim.get()) < index - preempted ? 1 : 0;
            capacity.preempt(victim.get());
        }
        return preempted;
    }
}

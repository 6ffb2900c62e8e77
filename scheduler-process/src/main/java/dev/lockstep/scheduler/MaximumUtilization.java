package dev.lockstep.scheduler;

import java.util.Optional;

/// Admits what fits this step and, where memory runs out, preemptions from the tail, to be computed
/// again later. Guaranteed sequences are admitted only when they can finish and are never
/// preempted; the others fill the rest.
///
/// The one admitted first can take everything the others hold, and a sequence that cannot fit alone
/// was refused when it was submitted: so somebody always moves.
public final class MaximumUtilization implements CapacityScheduler {
    @Override
    public String name() {
        return "maximum-utilization";
    }

    @Override
    public void select(Capacity capacity) {
        boolean crowded = false;
        var running = capacity.running();
        for (int i = 0; i < running.size(); i++) {
            var sequence = running.get(i);
            if (sequence.remaining() == 0 || !capacity.wantsMore()) {
                continue;
            }
            if (!capacity.tryRun(sequence)) {
                crowded = true;
                i -= makeRoom(capacity, sequence, i);
            }
        }
        boolean blocked = admitGuaranteed(capacity);
        while (!crowded && !blocked && capacity.wantsMore()) {
            var next = capacity.nextBestEffort();
            if (next.isEmpty()) {
                return;
            }
            if (!capacity.tryAdmit(next.get())) {
                makeRoom(capacity, next.get(), capacity.victimFor(next.get()));
                return;
            }
        }
    }

    /// True when memory must come back before the next one can start, so that nobody else may take
    /// it.
    private static boolean admitGuaranteed(Capacity capacity) {
        while (capacity.wantsMore()) {
            var next = capacity.next().filter(Sequence::guaranteed);
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

    /// What is preempted comes back when the steps in flight have ended: `waiting` is admitted
    /// then.
    private static boolean makeRoom(
            Capacity capacity, Sequence waiting, Optional<Sequence> victim) {
        if (victim.isEmpty() || capacity.comesBack(waiting)) {
            return false;
        }
        capacity.preempt(victim.get());
        return true;
    }

    /// Lets `sequence` run one token, pausing others for it. Otherwise it sits this step out,
    /// keeping what it has: either a block is on its way back, or the others will finish or pause
    /// it. Returns how many in front of it were preempted.
    private static int makeRoom(Capacity capacity, Sequence sequence, int index) {
        int gone = 0;
        while (!capacity.tryRunOne(sequence) && !capacity.comesBack(sequence)) {
            var victim = capacity.victim();
            if (victim.isEmpty() || victim.get() == sequence) {
                break;
            }
            gone += capacity.running().indexOf(victim.get()) < index - gone ? 1 : 0;
            capacity.preempt(victim.get());
        }
        return gone;
    }
}

package dev.lockstep.scheduler;

import java.util.List;

/// Decides which sequences may hold memory in the next step: maximum utilization. The running ones
/// go first, in order; where blocks run out the youngest is paused, to be computed again later.
/// Those waiting are admitted in order while all their known ids fit beside what is reserved.
///
/// The oldest can take everything the others hold, and a sequence that cannot fit alone was refused
/// when it was submitted: so somebody always moves.
final class CapacityScheduler {
    private final KvCacheManager kv;
    private final Sequences sequences;

    CapacityScheduler(KvCacheManager kv, Sequences sequences) {
        this.kv = kv;
        this.sequences = sequences;
    }

    /// Adds to `batch`, in order of arrival, the sequences for which at least one token's blocks
    /// are reserved, until a budget of `tokens` is spoken for.
    void select(int tokens, List<Sequence> batch) {
        int budget = tokens;
        boolean crowded = false;
        var running = sequences.running();
        for (int i = 0; i < running.size() && budget > 0; i++) {
            var sequence = running.get(i);
            if (sequence.remaining() == 0) {
                continue;
            }
            if (!kv.tryReserve(sequence, sequence.targetLength())) {
                crowded = true;
                if (!tryMakeRoom(sequence)) {
                    continue;
                }
            }
            batch.add(sequence);
            budget -= sequence.remaining();
        }
        while (!crowded
                && budget > 0
                && sequences.canAdmit()
                && kv.tryReserve(
                        sequences.waiting().first(), sequences.waiting().first().knownLength())) {
            var sequence = sequences.admitFirst();
            batch.add(sequence);
            budget -= sequence.remaining();
        }
    }

    /// True when one more token of `sequence` fits now. Otherwise it sits this step out, keeping
    /// what it has: either the blocks it needs are on their way back, or it is the youngest itself
    /// and the others will finish or pause it.
    private boolean tryMakeRoom(Sequence sequence) {
        int length = sequence.computed() + 1;
        while (!kv.tryReserve(sequence, length)) {
            if (kv.tryReserveReturning(sequence, length) || sequences.isYoungest(sequence)) {
                return false;
            }
            sequences.pauseYoungest();
        }
        return true;
    }
}

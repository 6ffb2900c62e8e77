// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;
import java.util.Optional;

/// The operations of a [CapacityScheduler] on one plan.
public interface Capacity {
    /// The running sequences in the order they were admitted; read-only. [#preempt] removes
    /// sequences from it.
    List<Sequence> running();

    /// Whether the step has tokens left for one more sequence.
    boolean wantsMore();

    /// Whether the step has tokens left for a running sequence: decodes need one, and a short
    /// prompt has room beside longer ones. True also where [#wantsMore] is.
    boolean wants(Sequence running);

    /// Puts a running sequence into the step with memory for all it can run. Returns false when
    /// that much memory is not free.
    boolean tryRun(Sequence running);

    /// Puts a running sequence into the step with memory for one token, for when [#tryRun] fails.
    boolean tryRunOneToken(Sequence running);

    /// Whether a sequence has enough memory when the steps in flight have ended, so that no other
    /// sequence needs to be preempted: memory for one token of a running sequence, for all known
    /// ids of a waiting one.
    boolean memoryReturnsSoon(Sequence sequence);

    /// Returns the sequence that may be admitted next, guaranteed ones first; empty when no slot is
    /// free or no sequence can be admitted.
    Optional<Sequence> next();

    /// As [#next], without guaranteed sequences.
    Optional<Sequence> nextBestEffort();

    /// Returns a short prompt that may be admitted although the step is full, or although the
    /// sequence that goes next lacks memory; empty when there is none.
    Optional<Sequence> nextShort();

    /// Gives a waiting sequence a slot and memory for its known ids, and puts it into the step.
    /// Returns false when that much memory is not free.
    boolean tryAdmit(Sequence waiting);

    /// Whether a waiting sequence and all running ones can reach their maximum length together.
    boolean fitsToCompletion(Sequence waiting);

    /// Whether a waiting sequence and the running guaranteed ones can reach their maximum length
    /// together when all others are preempted.
    boolean fitsBesideGuaranteed(Sequence waiting);

    /// Returns the sequence that is preempted first when memory runs out; empty when every running
    /// sequence is guaranteed, has no blocks or was admitted in this plan.
    Optional<Sequence> victim();

    /// Returns the running sequence that the waiting order preempts for `waiting`; usually empty.
    Optional<Sequence> victimFor(Sequence waiting);

    /// Removes slot and memory of a running sequence; it waits again and recomputes its ids later.
    void preempt(Sequence running);
}

package dev.lockstep.scheduler;

import java.util.List;
import java.util.Optional;

/// What a [CapacityScheduler] may do in one plan.
public interface Capacity {
    /// In the order they were admitted; not to be changed. [#preempt] takes sequences out of it.
    List<Sequence> running();

    /// Whether the step still has tokens for one more.
    boolean wantsMore();

    /// Puts a running sequence into the step with memory for all it can run, if there is that much.
    boolean tryRun(Sequence running);

    /// The same with memory for one token, for when more is not to be had.
    boolean tryRunOne(Sequence running);

    /// Whether what it needs is on its way back, so that nobody need make room: memory for one
    /// token of a running sequence, for all known ids of one that waits.
    boolean comesBack(Sequence sequence);

    /// Who may be admitted next, guaranteed ones first; nobody when no slot is free or nobody
    /// waits.
    Optional<Sequence> next();

    /// The same, passing over guaranteed ones.
    Optional<Sequence> nextBestEffort();

    /// Gives a waiting sequence a slot and memory for its known ids, and puts it into the step.
    boolean tryAdmit(Sequence waiting);

    /// Whether it can generate all it may beside all that run.
    boolean fitsToCompletion(Sequence waiting);

    /// Whether it can generate all it may beside the guaranteed ones that run, everybody else gone.
    boolean fitsBesideGuaranteed(Sequence waiting);

    /// The sequence to be preempted first where memory runs out; none is left when all others are
    /// guaranteed or in the step already.
    Optional<Sequence> victim();

    /// The sequence that the waiting order would have make room for `waiting`; mostly none.
    Optional<Sequence> victimFor(Sequence waiting);

    /// Takes a running sequence's slot and memory away; it waits again and will compute anew.
    void preempt(Sequence running);
}

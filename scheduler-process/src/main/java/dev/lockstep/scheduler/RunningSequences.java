// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.List;

/// The running sequences, in the order they were admitted, and the changes from waiting to running
/// and back.
///
/// Slot and blocks of a sequence that stops running are freed when every step sent earlier has
/// completed, because such a step may still write to them.
final class RunningSequences {
    private final SlotPool slots;
    private final WaitingRoom waiting;
    private final ResourceManager resources;
    private final Timeline timeline;
    private final List<Sequence> all = new ArrayList<>();
    private long preemptions;
    private long promptTokens;
    private long cachedTokens;
    private long recomputedTokens;

    RunningSequences(
            SlotPool slots, WaitingRoom waiting, ResourceManager resources, Timeline timeline) {
        this.slots = slots;
        this.waiting = waiting;
        this.resources = resources;
        this.timeline = timeline;
    }

    /// Read-only for the caller.
    List<Sequence> all() {
        return all;
    }

    /// Admits a waiting sequence whose blocks are reserved.
    ///
    /// @param cached known ids found in the cache
    void admit(Sequence sequence, int cached) {
        waiting.remove(sequence);
        recomputedTokens += Math.max(0, sequence.computedBefore() - cached);
        sequence.admit(slots.acquire(), cached);
        started(sequence, cached);
    }

    /// Admits a waiting sequence that runs whole in the next step and stores nothing.
    void admitWithoutKv(Sequence sequence) {
        waiting.remove(sequence);
        recomputedTokens += sequence.computedBefore();
        sequence.admitWithoutKv(slots.acquire());
        started(sequence, 0);
    }

    private void started(Sequence sequence, int cached) {
        all.add(sequence);
        promptTokens += sequence.knownLength();
        cachedTokens += cached;
        waiting.admitted(sequence, cached);
    }

    /// Removes slot and blocks of a running sequence; it waits again, and recomputes its ids.
    void preempt(Sequence sequence) {
        if (!all.remove(sequence)) {
            throw new IllegalStateException(sequence + " does not run");
        }
        resources.freeResources(sequence);
        sequence.preempt();
        waiting.add(sequence);
        timeline.preempted(sequence);
        preemptions++;
    }

    /// Ends a live sequence, running or waiting.
    void end(Sequence sequence, Sequence.State terminal) {
        if (sequence.state() == Sequence.State.RUNNING) {
            all.remove(sequence);
            resources.freeResources(sequence);
        } else {
            waiting.remove(sequence);
        }
        sequence.end(terminal);
        waiting.ended(sequence);
        timeline.ended(sequence);
    }

    /// Number of preemptions.
    long preemptions() {
        return preemptions;
    }

    /// Known ids of all admitted sequences, counted at each admission.
    long promptTokens() {
        return promptTokens;
    }

    /// Known ids of all admitted sequences that were found in the cache.
    long cachedTokens() {
        return cachedTokens;
    }

    /// Positions that admitted sequences had computed before and that were not found in the cache.
    long recomputedTokens() {
        return recomputedTokens;
    }
}

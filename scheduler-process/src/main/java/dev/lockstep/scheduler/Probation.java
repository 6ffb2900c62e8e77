// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/// Finds the sequence that ends its ranks: sequences that were in a step which a rank did not
/// survive are suspected, and run apart from all others until they have computed more than in that
/// step. One that runs alone when a rank fails again is poisoned.
///
/// At most [#TOGETHER] suspects share a step, and each has steps of its own when they were no more
/// than that. So a poisoned sequence costs two ranks, or three if its step was large, and a rank
/// that failed for another reason costs a few small steps.
final class Probation {
    static final int TOGETHER = 8;

    private final List<Sequence> suspects = new ArrayList<>();

    /// Adds a sequence of a lost group if it is suspected.
    void resumed(Sequence sequence) {
        if (sequence.suspected()) {
            suspects.add(sequence);
        }
    }

    /// Whether a suspect is left. Then one step is in flight at a time, so that it is known who was
    /// in the step that a rank did not survive.
    boolean active() {
        if (!suspects.isEmpty()) {
            suspects.removeIf(one -> !one.live() || !one.suspected());
        }
        return !suspects.isEmpty();
    }

    /// Whether a waiting sequence can be admitted in the next step: nobody while a suspect runs,
    /// and suspects only with each other.
    ///
    /// @param admitted the sequences already admitted in that step
    boolean admits(Sequence sequence, List<Sequence> running, List<Sequence> admitted) {
        if (!active()) {
            return true;
        }
        if (admitted.isEmpty()) {
            return running.stream().noneMatch(Sequence::suspected);
        }
        return sequence.suspected() == admitted.getFirst().suspected()
                && (!sequence.suspected() || admitted.size() < together(admitted.getFirst()));
    }

    /// Returns the only sequences of a step whose batch has suspects; empty when it has none.
    List<Sequence> apart(List<Sequence> batch) {
        var apart = new ArrayList<Sequence>();
        for (Sequence each : batch) {
            if (each.suspected()
                    && (apart.isEmpty() || apart.size() < together(apart.getFirst()))) {
                apart.add(each);
            }
        }
        return apart;
    }

    /// Returns how many suspects share a step with this one.
    private static int together(Sequence suspect) {
        return suspect.suspects() <= TOGETHER ? 1 : TOGETHER;
    }

    /// Suspects the live sequences of the steps in flight, because a rank has failed. Returns those
    /// that are poisoned.
    static List<Sequence> rankFailed(Collection<Sequence> inFlight) {
        if (inFlight.size() == 1 && inFlight.iterator().next().suspected()) {
            return List.copyOf(inFlight);
        }
        inFlight.forEach(each -> each.suspect(inFlight.size()));
        return List.of();
    }
}

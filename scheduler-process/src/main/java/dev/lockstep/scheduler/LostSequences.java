// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// The sequences of a lost group: those that had started, which are aborted, and those that can be
/// submitted to the next group, in order of arrival.
public record LostSequences(List<Sequence> aborted, List<Sequence> waiting) {
    public LostSequences {
        aborted = List.copyOf(aborted);
        waiting = List.copyOf(waiting);
    }
}

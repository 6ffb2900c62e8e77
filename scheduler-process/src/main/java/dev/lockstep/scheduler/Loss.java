package dev.lockstep.scheduler;

import java.util.List;

/// What a lost group leaves behind: sequences that had started, which are aborted, and those that
/// can be submitted to the next group, in order of arrival.
public record Loss(List<Sequence> aborted, List<Sequence> waiting) {
    public Loss {
        aborted = List.copyOf(aborted);
        waiting = List.copyOf(waiting);
    }
}

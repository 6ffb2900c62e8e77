package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.GroupStatus;
import java.util.concurrent.atomic.AtomicInteger;

/// One scheduler as this coordinator sees it now: part of a snapshot, immutable but for the count
/// of what was sent since.
///
/// @param id the scheduler's incarnation
/// @param alive its heartbeat comes
/// @param status the last it told; the default when it never did
/// @param sent choices sent since that status
record GroupView(String id, boolean alive, GroupStatus status, AtomicInteger sent) {

    boolean ready() {
        return alive && status.getReady();
    }

    Router.Candidate candidate() {
        return new Router.Candidate(
                id,
                status.getModel(),
                ready(),
                status.getRunning(),
                status.getWaiting(),
                sent.get(),
                status.getMaxNumSeqs(),
                status.getBlocksFree());
    }
}

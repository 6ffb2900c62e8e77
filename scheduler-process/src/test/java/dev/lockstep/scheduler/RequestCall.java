// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.CommittedChoice;
import java.util.List;

/// One attempt of a request: the stream from a simulated coordinator to a scheduler.
final class RequestCall {
    private final SimulatedCoordinator coordinator;
    private final SimulatedScheduler scheduler;
    private final Wire wire;
    private final int attempt;
    private boolean cancelled;

    /// @param attempt orders all attempts of the cluster
    RequestCall(
            SimulatedCoordinator coordinator,
            SimulatedScheduler scheduler,
            Wire wire,
            int attempt) {
        this.coordinator = coordinator;
        this.scheduler = scheduler;
        this.wire = wire;
        this.attempt = attempt;
        wire.onEnd(
                () ->
                        coordinator.received(
                                this, new RequestFrame.Failed(RequestFrame.Reason.UNAVAILABLE)),
                () -> scheduler.callEnded(this, cancelled));
    }

    SimulatedScheduler scheduler() {
        return scheduler;
    }

    int attempt() {
        return attempt;
    }

    void submit(RequestRecord record, List<CommittedChoice> committed) {
        wire.toServer(() -> scheduler.submit(this, record, committed));
    }

    void attach(String id) {
        wire.toServer(() -> scheduler.attach(this, id));
    }

    void reply(RequestFrame frame) {
        wire.toClient(() -> coordinator.received(this, frame));
    }

    /// Ends it because the coordinator needs it no more.
    void cancel() {
        cancelled = true;
        wire.close(coordinator);
    }

    void closeAtScheduler() {
        wire.close(scheduler);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;

/// The queue of the events of one completion: its virtual thread removes them, any thread adds.
///
/// Flow control bounds it: each call requests its next event when the last one was removed, so at
/// most two events and the end of each call are queued.
public final class CompletionInbox {
    private final LinkedBlockingDeque<EngineEvent> events = new LinkedBlockingDeque<>();

    // Guarded by this.
    private final List<SchedulerCall> calls = new ArrayList<>();
    private boolean stopped;

    void put(EngineEvent event) {
        events.add(event);
    }

    /// Returns the next event, or empty when none arrives within the time-out.
    public Optional<EngineEvent> poll(Duration timeout) throws InterruptedException {
        return Optional.ofNullable(events.poll(timeout.toNanos(), TimeUnit.NANOSECONDS));
    }

    /// Adds a call, which is cancelled with this completion; at once if it was stopped already.
    void attach(SchedulerCall call) {
        boolean alreadyStopped;
        synchronized (this) {
            calls.add(call);
            alreadyStopped = stopped;
        }
        if (alreadyStopped) {
            call.cancel();
        }
    }

    /// Cancels all calls and ends the completion at its next poll; only the first error counts.
    ///
    /// @param error thrown by the completion
    public void stop(RuntimeException error) {
        List<SchedulerCall> open;
        synchronized (this) {
            if (stopped) {
                return;
            }
            stopped = true;
            open = List.copyOf(calls);
        }
        events.addFirst(new EngineEvent.Stopped(error));
        open.forEach(SchedulerCall::cancel);
    }

    /// Cancels all calls that still run in the engine.
    public void cancelCalls() {
        List<SchedulerCall> open;
        synchronized (this) {
            open = List.copyOf(calls);
        }
        open.forEach(SchedulerCall::cancel);
    }
}

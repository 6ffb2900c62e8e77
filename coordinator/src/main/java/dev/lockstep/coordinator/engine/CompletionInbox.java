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
/// Flow control bounds it: a call requests events as they are processed, so at most as many as it
/// requests in advance, and its end, are queued.
public final class CompletionInbox {
    private final LinkedBlockingDeque<Entry> events = new LinkedBlockingDeque<>();

    // Guarded by this.
    private final List<SchedulerCall> calls = new ArrayList<>();
    private boolean stopped;

    /// @param from empty if no call sent it
    private record Entry(Optional<SchedulerCall> from, EngineEvent event) {
        boolean isAbandoned() {
            return from.isPresent() && from.get().isAbandoned();
        }
    }

    void put(SchedulerCall from, EngineEvent event) {
        events.add(new Entry(Optional.of(from), event));
    }

    /// Returns the next event of a call that is not abandoned, or empty when none arrives within
    /// the time-out.
    public Optional<EngineEvent> poll(Duration timeout) throws InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (true) {
            Entry next = events.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
            if (next == null) {
                return Optional.empty();
            }
            if (!next.isAbandoned()) {
                return Optional.of(next.event());
            }
        }
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
        events.addFirst(new Entry(Optional.empty(), new EngineEvent.Stopped(error)));
        open.forEach(SchedulerCall::cancel);
    }

    /// Returns how far each call is.
    public List<CallFacts> facts() {
        synchronized (this) {
            return calls.stream().map(SchedulerCall::facts).toList();
        }
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

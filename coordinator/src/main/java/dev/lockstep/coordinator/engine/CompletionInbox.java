package dev.lockstep.coordinator.engine;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;

/// Where everything arrives that happens to one completion; its virtual thread takes it out, any
/// thread puts it in.
///
/// It is bounded by flow control: each call asks for its next event when the last was taken, so a
/// call has at most two events and its end in here.
public final class CompletionInbox {
    private final LinkedBlockingDeque<EngineEvent> arrivals = new LinkedBlockingDeque<>();

    // Guarded by this.
    private final List<SchedulerCall> calls = new ArrayList<>();
    private boolean stopped;

    void put(EngineEvent arrival) {
        arrivals.add(arrival);
    }

    /// The next arrival, or nothing within the time.
    public Optional<EngineEvent> poll(Duration timeout) throws InterruptedException {
        return Optional.ofNullable(arrivals.poll(timeout.toNanos(), TimeUnit.NANOSECONDS));
    }

    /// Cancels a call together with this completion, at once if it was stopped already.
    void attach(SchedulerCall call) {
        boolean late;
        synchronized (this) {
            calls.add(call);
            late = stopped;
        }
        if (late) {
            call.cancel();
        }
    }

    /// Cancels all calls now and lets the completion end as soon as it looks; the first reason
    /// stays.
    ///
    /// @param why what the completion throws
    public void stop(RuntimeException why) {
        List<SchedulerCall> open;
        synchronized (this) {
            if (stopped) {
                return;
            }
            stopped = true;
            open = List.copyOf(calls);
        }
        arrivals.addFirst(new EngineEvent.Stopped(why));
        open.forEach(SchedulerCall::cancel);
    }

    /// Cancels what still runs in the engine; harmless for what has ended.
    public void cancelCalls() {
        List<SchedulerCall> open;
        synchronized (this) {
            open = List.copyOf(calls);
        }
        open.forEach(SchedulerCall::cancel);
    }
}

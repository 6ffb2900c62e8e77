// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;

/// When the tokens of steps are sent: what the steps of one interval generate is one event of each
/// request, because an event costs other processes more time than the step of a small model.
///
/// First tokens, ends and outputs are sent at once. Other tokens are held while the next step is
/// expected to end within the interval, as it does if it takes as long as the last one; they are
/// sent with those of the last such step, and never later than the interval after the events before
/// them. Owned by the step loop's thread.
final class DeliveryPace {
    static final long NEVER = Long.MAX_VALUE;

    private final long interval;
    private final Set<RequestStream> held = new LinkedHashSet<>();
    private long sentNanos;
    private long stepNanos;

    /// @param interval zero to hold nothing
    DeliveryPace(Duration interval) {
        this.interval = interval.toNanos();
    }

    /// Sends the events of a step to these requests, or holds them.
    void stepped(Set<RequestStream> written, long now) {
        held.addAll(written);
        long next = now + (now - stepNanos);
        stepNanos = now;
        if (next - sentNanos > interval) {
            send(now);
        } else {
            written.stream().filter(RequestStream::isUrgent).forEach(this::send);
        }
    }

    /// Returns when what is held is due; [#NEVER] if nothing is.
    long due() {
        return held.isEmpty() ? NEVER : sentNanos + interval;
    }

    /// Sends what is due, whatever the steps do.
    void sendDue(long now) {
        if (due() <= now) {
            send(now);
        }
    }

    private void send(long now) {
        sentNanos = now;
        held.forEach(RequestStream::drain);
        held.clear();
    }

    private void send(RequestStream stream) {
        held.remove(stream);
        stream.drain();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Estimates the first token's time of a request that arrives: how long the prompts before it take,
/// and its own.
///
/// How long sequences that decode keep their slots and memory is not part of it, because nobody
/// knows the lengths of their answers.
final class QueueDelay {
    /// While short prompts run beside others, steps for them alternate with short ones for all: two
    /// of three parts of the time are theirs.
    private static final double SHORT_SHARE = 2.0 / 3;

    private final WaitingRoom waiting;
    private final RunningSequences running;
    private final ShortPrompts shortPrompts;
    private final StepTime stepTime;
    private final PrefillPace pace;

    QueueDelay(
            WaitingRoom waiting,
            RunningSequences running,
            ShortPrompts shortPrompts,
            StepTime stepTime,
            PrefillPace pace) {
        this.waiting = waiting;
        this.running = running;
        this.shortPrompts = shortPrompts;
        this.stepTime = stepTime;
        this.pace = pace;
    }

    /// Returns how long the prompts before a sequence take that arrives, in nanoseconds; 0 while
    /// nothing is known of their pace.
    long waitNanos(Sequence arriving, long now) {
        double all = waiting.costAhead(arriving);
        double ofShort = shortPrompts.waitingCost();
        for (Sequence each : running.all()) {
            if (each.prefilling()) {
                double cost = stepTime.cost(each.computed(), each.remaining());
                all += cost;
                ofShort += cost <= shortPrompts.limit() ? cost : 0;
            }
        }
        if (shortPrompts.isShort(arriving) && waiting.mayPass(arriving)) {
            double step = stepTime.cost(0, stepTime.tokens());
            all = Math.min(all, step + ofShort / SHORT_SHARE);
        }
        return pace.queueNanos(all, now);
    }

    /// Returns the minimum time of its own prompt in nanoseconds, without what those before it
    /// compute; 0 while nothing was measured.
    long promptNanos(Sequence arriving, long now) {
        return pace.prefillNanos((double) arriving.queuedCost, now);
    }
}

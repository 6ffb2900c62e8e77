// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Optional;

/// Reports to the timelines, once in each plan, why the next guaranteed and the next best-effort
/// sequence wait.
final class WaitingReports {
    private final WaitingRoom waiting;
    private final Timeline timeline;
    private boolean guaranteedReported;
    private boolean bestEffortReported;

    WaitingReports(WaitingRoom waiting, Timeline timeline) {
        this.waiting = waiting;
        this.timeline = timeline;
    }

    /// Starts a new plan.
    void begin() {
        guaranteedReported = false;
        bestEffortReported = false;
    }

    void report(Sequence sequence, Timeline.Reason why) {
        guaranteedReported |= sequence.guaranteed();
        bestEffortReported |= !sequence.guaranteed();
        timeline.waits(sequence, why);
    }

    /// Reports `why` for the sequences that go next, where no attempt to admit them has reported
    /// another reason.
    void reportRemaining(Timeline.Reason why) {
        if (!guaranteedReported) {
            report(waiting.firstGuaranteed(), why);
        }
        if (!bestEffortReported) {
            report(waiting.firstBestEffort(), why);
        }
    }

    private void report(Optional<Sequence> first, Timeline.Reason why) {
        if (first.isPresent() && first.get().pending() == 0) {
            report(first.get(), why);
        }
    }
}

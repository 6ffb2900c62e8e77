// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Receives every call of a [Scheduler], in order, on the step loop's thread.
public interface Recorder {
    Recorder NONE =
            new Recorder() {
                @Override
                public void submitted(List<Sequence> choices, boolean accepted, long nanos) {}

                @Override
                public void resumed(Sequence sequence, long nanos) {}

                @Override
                public void lost(boolean rankFailed, long nanos) {}

                @Override
                public void cancelled(Sequence sequence, long nanos) {}

                @Override
                public void expired(long nanos) {}

                @Override
                public void planned(StepPlan plan, long nanos) {}

                @Override
                public void applied(StepResult result, long nanos) {}
            };

    void submitted(List<Sequence> choices, boolean accepted, long nanos);

    void resumed(Sequence sequence, long nanos);

    void lost(boolean rankFailed, long nanos);

    void cancelled(Sequence sequence, long nanos);

    void expired(long nanos);

    /// Called with the plan as it is sent, or with an empty one, which is not sent.
    void planned(StepPlan plan, long nanos);

    void applied(StepResult result, long nanos);
}

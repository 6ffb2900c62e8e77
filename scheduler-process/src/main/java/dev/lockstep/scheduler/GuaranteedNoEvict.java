// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Optional;

/// Admits only sequences that can finish beside all running ones, so that none is ever preempted
/// for memory.
public final class GuaranteedNoEvict implements CapacityScheduler {
    @Override
    public String name() {
        return "guaranteed-no-evict";
    }

    @Override
    public void select(Capacity capacity) {
        for (Sequence sequence : capacity.running()) {
            if (sequence.remaining() > 0 && capacity.wantsMore() && !capacity.tryRun(sequence)) {
                // Its blocks exist, but some are free only when the steps in flight have ended.
                var _ = capacity.tryRunOneToken(sequence);
            }
        }
        while (capacity.wantsMore()) {
            Optional<Sequence> next = capacity.next();
            if (next.isEmpty()
                    || !capacity.fitsToCompletion(next.get())
                    || !capacity.tryAdmit(next.get())) {
                return;
            }
        }
    }
}

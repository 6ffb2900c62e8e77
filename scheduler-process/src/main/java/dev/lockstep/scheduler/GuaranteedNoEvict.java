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
            if (capacity.wants(sequence) && !capacity.tryRun(sequence)) {
                // Its blocks exist, but some are free only when the steps in flight have ended.
                var _ = capacity.tryRunOneToken(sequence);
            }
        }
        while (capacity.wantsMore()) {
            Optional<Sequence> next = capacity.next();
            if (next.isEmpty() || !admits(capacity, next.get())) {
                break;
            }
        }
        Optional<Sequence> next = capacity.nextShort();
        while (next.isPresent() && admits(capacity, next.get())) {
            next = capacity.nextShort();
        }
    }

    private static boolean admits(Capacity capacity, Sequence next) {
        return capacity.fitsToCompletion(next) && capacity.tryAdmit(next);
    }
}

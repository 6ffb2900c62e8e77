package dev.lockstep.scheduler;

/// Admits only what can finish beside all that run, so that nobody is ever preempted for memory.
public final class GuaranteedNoEvict implements CapacityScheduler {
    @Override
    public String name() {
        return "guaranteed-no-evict";
    }

    @Override
    public void select(Capacity capacity) {
        for (var sequence : capacity.running()) {
            if (sequence.remaining() > 0 && capacity.wantsMore() && !capacity.tryRun(sequence)) {
                // Its blocks are there, but some return only when the steps in flight have ended.
                var _ = capacity.tryRunOne(sequence);
            }
        }
        while (capacity.wantsMore()) {
            var next = capacity.next();
            if (next.isEmpty()
                    || !capacity.fitsToCompletion(next.get())
                    || !capacity.tryAdmit(next.get())) {
                return;
            }
        }
    }
}

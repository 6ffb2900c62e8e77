// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Optional;

/// First come, first served, but for short prompts beside longer ones: they go first among
/// themselves.
public final class FcfsOrder implements WaitingOrder {
    private final WaitingQueue queue = new WaitingQueue();

    @Override
    public String name() {
        return "fcfs";
    }

    @Override
    public void add(Sequence sequence) {
        queue.add(sequence);
    }

    @Override
    public void remove(Sequence sequence) {
        queue.remove(sequence);
    }

    @Override
    public boolean mayPass(Sequence shorter, Sequence first) {
        return true;
    }

    @Override
    public Optional<Sequence> first() {
        return queue.first();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// A process that can die and stand still. A process that starts again is another object: nothing
/// that was meant for the dead one reaches it.
abstract class SimulatedProcess {
    final VirtualTime time;
    private final String name;
    private final Set<Wire> wires = new LinkedHashSet<>();
    private final ArrayDeque<Runnable> missed = new ArrayDeque<>();
    private boolean alive = true;
    private boolean paused;

    SimulatedProcess(VirtualTime time, String name) {
        this.time = time;
        this.name = name;
    }

    final boolean alive() {
        return alive;
    }

    final boolean paused() {
        return paused;
    }

    final void add(Wire wire) {
        wires.add(wire);
    }

    final void remove(Wire wire) {
        wires.remove(wire);
    }

    final List<Wire> wires() {
        return new ArrayList<>(wires);
    }

    /// Lets the process handle something: later while it stands still, never once it is dead.
    final void receive(Runnable handler) {
        if (!alive) {
            return;
        }
        if (paused) {
            missed.add(handler);
        } else {
            handler.run();
            handled();
        }
    }

    /// Called after each message.
    void handled() {}

    /// Calls an action again and again as long as the process lives.
    final void every(long nanos, Runnable action) {
        time.after(
                nanos,
                () -> {
                    if (alive) {
                        receive(action);
                        every(nanos, action);
                    }
                });
    }

    final void pause() {
        paused = true;
    }

    final void wake() {
        paused = false;
        while (alive && !paused && !missed.isEmpty()) {
            missed.remove().run();
            handled();
        }
    }

    /// Ends the process without a word.
    void die() {
        alive = false;
        missed.clear();
        wires().forEach(wire -> wire.close(this));
    }

    @Override
    public String toString() {
        return name;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/// Tells whether everything that a process depends on still moves: each has a number that changes
/// as long as it does. No clock is read, so a slow machine only makes the changes rarer.
final class Progress {
    private final List<LongSupplier> watched = new ArrayList<>();
    private final List<Long> before = new ArrayList<>();

    /// Adds a number that changes while what it stands for moves, also when that has nothing to do.
    synchronized void watch(LongSupplier moving) {
        watched.add(moving);
        before.add(moving.getAsLong() - 1);
    }

    /// Whether every number has changed since the last call that returned true.
    synchronized boolean made() {
        List<Long> now = watched.stream().map(LongSupplier::getAsLong).toList();
        for (int i = 0; i < now.size(); i++) {
            if (now.get(i).equals(before.get(i))) {
                return false;
            }
        }
        for (int i = 0; i < now.size(); i++) {
            before.set(i, now.get(i));
        }
        return true;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayDeque;
import java.util.Arrays;

/// The slots of worker state that running sequences hold. A slot given up is free when every step
/// sent earlier has ended, because such a step may still write to it.
final class SlotPool implements ResourceManager {
    private final int[] free;
    private int freeCount;
    private final ArrayDeque<Deferred> deferred = new ArrayDeque<>();
    private int[] released = new int[16];
    private int releasedCount;
    private long sent;
    private long completed;

    private record Deferred(long lastStep, int slot) {}

    SlotPool(int slots) {
        free = new int[slots];
        for (int slot = slots - 1; slot >= 0; slot--) {
            free[freeCount++] = slot;
        }
    }

    boolean hasFree() {
        return freeCount > 0;
    }

    /// Whether a slot will be free when the steps in flight have ended.
    boolean hasReturning() {
        return !deferred.isEmpty();
    }

    int acquire() {
        return free[--freeCount];
    }

    @Override
    public void prepareResources(StepPlan plan) {
        sent++;
        if (releasedCount > 0) {
            plan.release(Arrays.copyOf(released, releasedCount));
            releasedCount = 0;
        }
    }

    @Override
    public void updateResources(StepPlan plan) {
        completed++;
        while (!deferred.isEmpty() && deferred.peek().lastStep() <= completed) {
            release(deferred.remove().slot());
        }
    }

    @Override
    public void freeResources(Sequence sequence) {
        if (sent == completed) {
            release(sequence.slot());
        } else {
            deferred.add(new Deferred(sent, sequence.slot()));
        }
    }

    private void release(int slot) {
        free[freeCount++] = slot;
        if (releasedCount == released.length) {
            released = Arrays.copyOf(released, 2 * releasedCount);
        }
        released[releasedCount++] = slot;
    }

    @Override
    public void checkIntegrity(Iterable<Sequence> running) {
        boolean[] seen = new boolean[free.length];
        for (int i = 0; i < freeCount; i++) {
            claim(seen, free[i]);
        }
        deferred.forEach(one -> claim(seen, one.slot()));
        running.forEach(sequence -> claim(seen, sequence.slot()));
        for (int slot = 0; slot < seen.length; slot++) {
            if (!seen[slot]) {
                throw new IllegalStateException("slot " + slot + " is lost");
            }
        }
    }

    private static void claim(boolean[] seen, int slot) {
        if (seen[slot]) {
            throw new IllegalStateException("slot " + slot + " is held twice");
        }
        seen[slot] = true;
    }
}

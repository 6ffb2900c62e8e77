// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.Test;

class ThreadProgressTest {
    private final ArrayDeque<Runnable> blocked = new ArrayDeque<>();

    @Test
    void oneThreadThatBlocksHoldsUpAll() {
        var progress = new ThreadProgress(List.of(Runnable::run, blocked::add, Runnable::run));
        long first = progress.rounds();
        assertEquals(first, progress.rounds());
        assertEquals(first, progress.rounds());
        assertEquals(1, blocked.size(), "it is asked once");
        blocked.remove().run();
        assertNotEquals(first, progress.rounds());
    }

    @Test
    void aThreadThatWasShutDownHoldsUpNobody() {
        var progress =
                new ThreadProgress(
                        List.of(
                                _ -> {
                                    throw new RejectedExecutionException("shut down");
                                }));
        assertNotEquals(progress.rounds(), progress.rounds());
    }
}

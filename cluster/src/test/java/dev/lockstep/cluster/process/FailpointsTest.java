// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FailpointsTest {

    private static final Failpoint BEFORE_STEP = new Failpoint("worker.before-step");
    private static final Failpoint AFTER_STEP = new Failpoint("worker.after-step");
    private static final List<Failpoint> KNOWN = List.of(BEFORE_STEP, AFTER_STEP);

    @Test
    void aFailpointWithoutActionDoesNothing() {
        assertSame(Failpoints.NONE, Failpoints.parse("", "worker", KNOWN));
        Failpoints.NONE.hit(BEFORE_STEP);
        parse("worker.before-step=throw").hit(AFTER_STEP);
    }

    @Test
    void actsOnlyAtTheNamedHit() {
        Failpoints failpoints = parse("worker.before-step=throw@3");
        failpoints.hit(BEFORE_STEP);
        failpoints.hit(BEFORE_STEP);
        RuntimeException failure =
                assertThrows(
                        Failpoints.FailpointException.class, () -> failpoints.hit(BEFORE_STEP));
        assertEquals("failpoint worker.before-step, hit 3", failure.getMessage());
        failpoints.hit(BEFORE_STEP);
    }

    @Test
    void actsAtEveryHitWhenNoHitIsNamed() {
        Failpoints failpoints = parse("worker.after-step=throw");
        assertThrows(Failpoints.FailpointException.class, () -> failpoints.hit(AFTER_STEP));
        assertThrows(Failpoints.FailpointException.class, () -> failpoints.hit(AFTER_STEP));
    }

    @Test
    void actsOnceTheNamedFileExists(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("now");
        Failpoints failpoints = parse("worker.before-step=throw@" + file);
        failpoints.hit(BEFORE_STEP);
        Files.createFile(file);
        assertThrows(Failpoints.FailpointException.class, () -> failpoints.hit(BEFORE_STEP));
        assertTrue(Files.notExists(file), "no other process acts");
        failpoints.hit(BEFORE_STEP);
    }

    @Test
    void sleepsForTheGivenTime() {
        Failpoints failpoints = parse("worker.before-step=sleep:50ms");
        long start = System.nanoTime();
        failpoints.hit(BEFORE_STEP);
        // Thread.sleep may wake slightly early on some kernels.
        assertTrue(System.nanoTime() - start >= Duration.ofMillis(49).toNanos());
    }

    @Test
    void aHangIgnoresInterrupts() throws InterruptedException {
        Failpoints failpoints = parse("worker.before-step=hang");
        Thread stuck = Thread.ofPlatform().daemon().start(() -> failpoints.hit(BEFORE_STEP));
        stuck.interrupt();
        assertFalse(stuck.join(Duration.ofMillis(100)));
        assertTrue(stuck.isAlive());
    }

    @Test
    void entriesOfOtherProcessesAreIgnored() {
        assertSame(Failpoints.NONE, parse("scheduler.after-send=exit, coordinator.x=hang"));
    }

    @Test
    void anUnknownNameOrActionIsRefused() {
        assertRefused(
                "no failpoint \"worker.befor-step\"; worker has: worker.after-step, worker.before-step",
                () -> parse("worker.befor-step=exit"));
        assertRefused(
                "no failpoint \"wroker.before-step\"", () -> parse("wroker.before-step=exit"));
        assertRefused("is not process.place=", () -> parse("worker.before-step=explode"));
        assertRefused("is not process.place=", () -> parse("worker.before-step"));
        assertRefused("is not process.place", () -> parse("step=exit"));
    }

    private static Failpoints parse(String text) {
        return Failpoints.parse(text, "worker", KNOWN);
    }
}

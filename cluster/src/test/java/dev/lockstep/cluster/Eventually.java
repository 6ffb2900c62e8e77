package dev.lockstep.cluster;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.opentest4j.AssertionFailedError;

/// Waits for something that another thread brings about.
final class Eventually {

    /// Long enough for a loaded machine, far beyond what is normal.
    static final Duration TIMEOUT = Duration.ofSeconds(15);

    private Eventually() {}

    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        await(() -> what, condition);
    }

    static void await(Supplier<String> what, BooleanSupplier condition)
            throws InterruptedException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionFailedError(
                        "did not happen within " + TIMEOUT + ": " + what.get());
            }
            Thread.sleep(5);
        }
    }
}

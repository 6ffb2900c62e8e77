// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.time.Duration;
import java.util.function.Supplier;
import org.opentest4j.AssertionFailedError;

/// A bounded wait for a condition that another thread makes true.
public final class Eventually {

    /// Only a hang takes longer, however busy the machine is.
    public static final Duration TIMEOUT = Duration.ofMinutes(2);

    /// A condition to wait for; it may throw what the test may throw.
    @FunctionalInterface
    public interface Condition<E extends Exception> {
        /// Returns whether the condition holds now.
        boolean holds() throws E;
    }

    private Eventually() {}

    /// Waits until `condition` holds; `what` names it in the failure.
    public static <E extends Exception> void await(String what, Condition<E> condition)
            throws InterruptedException, E {
        await(() -> what, condition);
    }

    /// Waits until `condition` holds; `what` is evaluated only for the failure.
    public static <E extends Exception> void await(Supplier<String> what, Condition<E> condition)
            throws InterruptedException, E {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionFailedError(
                        "did not happen within " + TIMEOUT + ": " + what.get());
            }
            Thread.sleep(5);
        }
    }
}

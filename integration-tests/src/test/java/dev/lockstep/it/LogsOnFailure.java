// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;

/// Prints the logs of a test's processes when it fails, removes their folders when it passes, and
/// ends what a class leaves.
final class LogsOnFailure
        implements TestExecutionExceptionHandler,
                LifecycleMethodExecutionExceptionHandler,
                AfterEachCallback,
                AfterAllCallback {
    /// The sandboxes of the test class that runs on this thread.
    private static final ThreadLocal<List<Sandbox>> watched =
            ThreadLocal.withInitial(ArrayList::new);

    /// Those whose logs were printed, and whose folders stay.
    private static final ThreadLocal<List<Sandbox>> left = ThreadLocal.withInitial(ArrayList::new);

    static void watch(Sandbox sandbox) {
        watched.get().add(sandbox);
    }

    /// Returns those of the test that failed and those that all tests of the class share: these are
    /// printed for each failure.
    private static List<Sandbox> take() {
        List<Sandbox> taken =
                Stream.concat(
                                watched.get().stream(),
                                left.get().stream().filter(sandbox -> !sandbox.isClosed()))
                        .toList();
        left.get().addAll(watched.get());
        watched.get().clear();
        return taken;
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure)
            throws Throwable {
        printAndThrow(context, failure);
    }

    @Override
    public void handleBeforeAllMethodExecutionException(ExtensionContext context, Throwable failure)
            throws Throwable {
        printAndThrow(context, failure);
    }

    @Override
    public void handleAfterAllMethodExecutionException(ExtensionContext context, Throwable failure)
            throws Throwable {
        printAndThrow(context, failure);
    }

    private static void printAndThrow(ExtensionContext context, Throwable failure)
            throws Throwable {
        if (!(failure instanceof TestAbortedException)) {
            for (Sandbox sandbox : take()) {
                System.out.println(
                        "=== %s failed: %s%n%s"
                                .formatted(context.getDisplayName(), failure, sandbox.logs()));
            }
        }
        throw failure;
    }

    @Override
    public void afterEach(ExtensionContext context) {
        removeClosed();
    }

    /// Ends the processes that a test left which failed before it could close its sandbox.
    @Override
    public void afterAll(ExtensionContext context) {
        removeClosed();
        left.get().addAll(watched.get());
        watched.get().clear();
        left.get().stream().filter(sandbox -> !sandbox.isClosed()).forEach(Sandbox::close);
        left.get().clear();
    }

    private static void removeClosed() {
        List<Sandbox> closed = watched.get().stream().filter(Sandbox::isClosed).toList();
        watched.get().removeAll(closed);
        closed.forEach(Sandbox::remove);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The life cycle of one process: it runs until a stop is requested, then closes what it owns in
/// reverse order and exits.
///
/// Created first in `main`, so that a signal during start-up is not lost. SIGTERM drains; SIGINT
/// and the end of the parent stop at once; a second SIGTERM is ignored; a SIGINT during a drain
/// ends the drain. A child of the launcher leaves a SIGTERM to its parent ([#obeyParent]), because
/// a signal to the process group reaches all processes at once, and they must end in order.
///
/// The process exits within its budget even when a thread hangs: a thread inside a native
/// collective cannot be interrupted, so the last resort is `Runtime.halt`.
///
/// A thread that dies of an exception ends the process with a line on standard error: nothing else
/// would do its work. A virtual thread is the exception, it has one request or one call.
public final class Daemon {

    /// The time limit of a stop that does not drain; the promise is 2 s, and a loaded machine needs
    /// a part of it.
    public static final Duration QUICK_BUDGET = Duration.ofMillis(1500);

    /// The line by which a child tells its parent that it runs.
    public static final String ALIVE = "alive";

    /// The line by which a child tells its parent that it got SIGTERM.
    public static final String TERMINATED = "terminated";

    /// The line by which a parent tells a child to drain and end.
    public static final String DRAIN = "drain";

    /// The line by which a parent tells a child to end because it starts another one in its place.
    public static final String HAND_OVER = "hand over";

    private static final Duration BEAT = Duration.ofSeconds(1);

    /// Lines of the parent that are kept until somebody hears them.
    private static final int UNHEARD = 16;

    /// An action of the shutdown.
    @FunctionalInterface
    public interface Closing {
        /// Closes a resource.
        ///
        /// @param reason the reason known now; a drain may still become a quick stop, which
        ///   interrupts the thread
        void close(StopReason reason) throws Exception;
    }

    private static final Logger LOG = LogManager.getLogger(Daemon.class);

    private final String name;
    private final Duration drainBudget;
    private final Deque<Closing> owned = new ArrayDeque<>();
    private final CountDownLatch stopRequested = new CountDownLatch(1);
    private final CountDownLatch closed = new CountDownLatch(1);
    private final AtomicBoolean closing = new AtomicBoolean();
    private final Progress progress = new Progress();
    private final DebugState debugState = new DebugState();

    // Guarded by this.
    private Optional<StopReason> reason = Optional.empty();
    private Optional<Thread> closer = Optional.empty();
    private boolean running;
    private boolean obeysParent;
    private Optional<Consumer<String>> hearer = Optional.empty();
    private final Deque<String> unheard = new ArrayDeque<>();
    private int exitCode = ExitCode.OK;
    private long deadlineNanos;

    /// Installs the signal handlers and the one shutdown hook.
    ///
    /// @param drainBudget time limit from SIGTERM to the end of the process
    public Daemon(String name, Duration drainBudget) {
        this.name = name;
        this.drainBudget = drainBudget;
        Signals.handle("TERM", this::terminated);
        Signals.handle("INT", () -> stop(StopReason.INTERRUPTED));
        Runtime.getRuntime().addShutdownHook(new Thread(this::closeInHook, name + "-shutdown"));
        Thread.setDefaultUncaughtExceptionHandler(this::threadDied);
    }

    private void threadDied(Thread thread, Throwable failure) {
        LOG.fatal("thread {} died", thread.getName(), failure);
        if (!thread.isVirtual() && !stopping()) {
            System.err.printf("lockstep %s: thread %s died: %s%n", name, thread.getName(), failure);
            exitWith(ExitCode.FAILED);
        }
    }

    /// Closes `resource` at the end, before everything owned earlier.
    public <T extends AutoCloseable> T own(T resource) {
        atEnd(reason -> resource.close());
        return resource;
    }

    /// Adds an action like [#own], for resources that need to know whether to drain.
    public void atEnd(Closing action) {
        synchronized (owned) {
            owned.push(action);
        }
    }

    private void terminated() {
        boolean parentDecides;
        synchronized (this) {
            parentDecides = obeysParent;
        }
        if (parentDecides) {
            LOG.info("{} got SIGTERM and tells its parent", name);
            System.out.println(TERMINATED);
        } else {
            stop(StopReason.TERMINATED);
        }
    }

    /// Stops the process when the parent says so on standard input, or when the input ends: the
    /// parent holds the other end of the pipe, and the kernel closes it when the parent dies for
    /// any reason. A SIGTERM is only told to the parent, by [#TERMINATED].
    public void obeyParent() {
        synchronized (this) {
            obeysParent = true;
        }
        BufferedReader pipe =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        Thread.ofPlatform()
                .daemon()
                .name(name + "-parent-pipe")
                .start(
                        () -> {
                            ParentDeath.wakes();
                            try {
                                for (String word = pipe.readLine();
                                        word != null;
                                        word = pipe.readLine()) {
                                    obey(word);
                                }
                            } catch (IOException e) {
                                LOG.debug("standard input broke", e);
                            }
                            stop(StopReason.PARENT_GONE);
                        });
    }

    private void obey(String word) {
        switch (word) {
            case DRAIN -> stop(StopReason.TERMINATED);
            case HAND_OVER -> stop(StopReason.REPLACED);
            default -> heard(word);
        }
    }

    private synchronized void heard(String line) {
        if (hearer.isPresent()) {
            hearer.get().accept(line);
        } else if (unheard.size() < UNHEARD) {
            unheard.add(line);
        } else {
            LOG.warn("nobody hears what the parent says");
        }
    }

    /// Sets who hears the lines of the parent that are not about the end of the process, those from
    /// before included, one at a time; must not block.
    public synchronized void hear(Consumer<String> listener) {
        hearer = Optional.of(listener);
        unheard.forEach(listener);
        unheard.clear();
    }

    /// What `GET /debug/state` shows of this process, apart from what every process has.
    public DebugState debugState() {
        return debugState;
    }

    /// Shows [#debugState] on a port of the loopback address until the process stops.
    ///
    /// @param port 0 shows it nowhere
    /// @throws java.io.UncheckedIOException with one line, when the port is not available
    public void showState(int port) {
        if (port > 0) {
            own(new AdminServer(name, port, debugState));
        }
    }

    /// Makes [#tellParent] depend on a number that changes while a thread moves, also one that has
    /// nothing to do: without that thread the process is of no use.
    public void watch(LongSupplier moving) {
        progress.watch(moving);
    }

    /// Prints [#ALIVE] every second in which everything that is watched has moved, for the parent,
    /// which replaces a child that stands still. A process that stops has its own time limit.
    public void tellParent() {
        Thread.ofPlatform()
                .daemon()
                .name(name + "-alive")
                .start(
                        () -> {
                            try {
                                while (true) {
                                    if (stopping() || progress.made()) {
                                        System.out.println(ALIVE);
                                    }
                                    Thread.sleep(BEAT);
                                }
                            } catch (InterruptedException e) {
                                LOG.debug("the process tells its parent no more", e);
                            }
                        });
    }

    /// Stops the process with this exit code; returns at once and leaves the closing to [#run].
    public void exitWith(int code) {
        synchronized (this) {
            if (code != ExitCode.OK) {
                exitCode = code;
            }
        }
        stop(StopReason.FINISHED);
    }

    /// Sets the exit code of the stop that runs, unless another one was set.
    public synchronized void endWith(int code) {
        if (exitCode == ExitCode.OK) {
            exitCode = code;
        }
    }

    /// Starts to stop; returns at once. A later call has no effect, except that a reason that does
    /// not drain ends a drain.
    public void stop(StopReason why) {
        synchronized (this) {
            boolean hurry = reason.isPresent() && reason.get().drains() && !why.drains();
            if (reason.isPresent() && !hurry) {
                return;
            }
            boolean first = reason.isEmpty();
            reason = Optional.of(why);
            if (why == StopReason.INTERRUPTED && exitCode == ExitCode.OK) {
                exitCode = ExitCode.INTERRUPTED;
            }
            // Nothing to drain before run: a long start-up must not delay the end.
            Duration budget = why.drains() && running ? drainBudget : QUICK_BUDGET;
            deadlineNanos = System.nanoTime() + budget.toNanos();
            if (first) {
                Thread.ofPlatform().daemon().name(name + "-halt").start(this::haltWhenOverdue);
            }
            closer.ifPresent(Thread::interrupt);
            notifyAll();
        }
        LOG.info("{} stops: {}", name, why);
        stopRequested.countDown();
    }

    /// Returns whether a stop was requested; long start-up work may check it.
    public boolean stopping() {
        return stopRequested.getCount() == 0;
    }

    /// Waits until a stop is requested, closes everything and exits. `main` calls it after
    /// start-up, or after start-up failed and [#exitWith] was called.
    public void run() {
        synchronized (this) {
            running = true;
        }
        try {
            stopRequested.await();
        } catch (InterruptedException e) {
            exitWith(ExitCode.FAILED);
        }
        closeAll();
        System.exit(exitCode());
    }

    private void closeInHook() {
        // Another caller's System.exit, or SIGHUP; when run itself exits, everything is closed
        // already.
        if (!stopping()) {
            stop(StopReason.FINISHED);
        }
        boolean runCloses;
        synchronized (this) {
            runCloses = running;
        }
        if (!runCloses) {
            closeAll();
        }
        try {
            closed.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void closeAll() {
        if (!closing.compareAndSet(false, true)) {
            return;
        }
        synchronized (this) {
            closer = Optional.of(Thread.currentThread());
        }
        for (Optional<Closing> next = pop(); next.isPresent(); next = pop()) {
            try {
                next.get().close(reason());
            } catch (InterruptedException e) {
                LOG.info("{}: closing was interrupted", name);
            } catch (Exception e) {
                LOG.warn("{}: closing failed", name, e);
            }
            // The interrupt that ended one closing must not affect the next.
            boolean hurried = Thread.interrupted();
            LOG.trace("closed, hurried: {}", hurried);
        }
        synchronized (this) {
            closer = Optional.empty();
        }
        LOG.info("{} stopped", name);
        closed.countDown();
    }

    private Optional<Closing> pop() {
        synchronized (owned) {
            return Optional.ofNullable(owned.poll());
        }
    }

    private void haltWhenOverdue() {
        try {
            synchronized (this) {
                for (long nanos = remainingNanos(); nanos > 0; nanos = remainingNanos()) {
                    wait(Math.max(1, nanos / 1_000_000));
                }
            }
            if (closed.getCount() != 0) {
                LOG.error("{} did not close in time, halting", name);
            }
            // Also when everything is closed: a hook of a library may hang too.
            int code = exitCode();
            Runtime.getRuntime()
                    .halt(code == ExitCode.OK && closed.getCount() != 0 ? ExitCode.FAILED : code);
        } catch (InterruptedException e) {
            Runtime.getRuntime().halt(ExitCode.FAILED);
        }
    }

    private long remainingNanos() {
        return deadlineNanos - System.nanoTime();
    }

    private synchronized int exitCode() {
        return exitCode;
    }

    private synchronized StopReason reason() {
        return reason.orElse(StopReason.FINISHED);
    }
}

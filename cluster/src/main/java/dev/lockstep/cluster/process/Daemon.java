package dev.lockstep.cluster.process;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The life of one process: runs until it is told to stop, then closes what it owns in reverse
/// order and exits.
///
/// Made first thing in `main`, so that a signal during start-up is not lost. SIGTERM drains, SIGINT
/// and a vanished parent stop at once; a second SIGTERM is ignored, a SIGINT while draining
/// hurries. Whatever hangs, the process is gone when the budget is over: a thread inside a native
/// collective cannot be interrupted, so the last word is `Runtime.halt`.
public final class Daemon {

    /// How long a stop may take that does not drain; the promise is 2 s, and a loaded machine needs
    /// some of that.
    public static final Duration QUICK_BUDGET = Duration.ofMillis(1500);

    /// Something to be done at the end.
    @FunctionalInterface
    public interface Closing {
        /// Closes something.
        ///
        /// @param reason the one known now; draining may still turn into a quick stop, which
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

    // Guarded by this.
    private Optional<StopReason> reason = Optional.empty();
    private Optional<Thread> closer = Optional.empty();
    private boolean running;
    private int exitCode = ExitCode.OK;
    private long deadlineNanos;

    /// Installs the signal handlers and the one shutdown hook.
    ///
    /// @param drainBudget how long after SIGTERM the process may still be there
    public Daemon(String name, Duration drainBudget) {
        this.name = name;
        this.drainBudget = drainBudget;
        Signals.handle("TERM", () -> stop(StopReason.TERMINATED));
        Signals.handle("INT", () -> stop(StopReason.INTERRUPTED));
        Runtime.getRuntime().addShutdownHook(new Thread(this::closeInHook, name + "-shutdown"));
        Thread.setDefaultUncaughtExceptionHandler(
                (thread, failure) -> LOG.error("thread {} died", thread.getName(), failure));
    }

    /// Closes `resource` at the end, before everything owned earlier.
    public <T extends AutoCloseable> T own(T resource) {
        atEnd(reason -> resource.close());
        return resource;
    }

    /// As [#own], for what needs to know whether to drain.
    public void atEnd(Closing action) {
        synchronized (owned) {
            owned.push(action);
        }
    }

    /// Stops when standard input ends, for a child whose parent holds the other end of the pipe:
    /// when the parent dies, however it dies, the kernel closes it.
    public void watchParentPipe() {
        InputStream pipe = System.in;
        Thread.ofPlatform()
                .daemon()
                .name(name + "-parent-pipe")
                .start(
                        () -> {
                            byte[] ignored = new byte[64];
                            try {
                                while (pipe.read(ignored) >= 0) {
                                    // The parent says nothing that matters; only the end does.
                                }
                            } catch (IOException e) {
                                LOG.debug("standard input broke", e);
                            }
                            stop(StopReason.PARENT_GONE);
                        });
    }

    /// Stops the process with this exit code; returns at once. What [#run] guards goes on to close.
    public void exitWith(int code) {
        synchronized (this) {
            if (code != ExitCode.OK) {
                exitCode = code;
            }
        }
        stop(StopReason.FINISHED);
    }

    /// Begins to stop; returns at once. A later call changes nothing, but for a drain that must now
    /// hurry.
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
            // Nothing to drain before run: a start that takes long must not delay the end.
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

    /// Whether something asked this process to stop; long start-up work may look.
    public boolean stopping() {
        return stopRequested.getCount() == 0;
    }

    /// Waits until something asks the process to stop, closes everything and exits. Called by
    /// `main` when all is started, or when starting failed and [#exitWith] was called.
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
        // System.exit by somebody else, or SIGHUP; when run ended by itself everything is closed
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
                LOG.info("{}: no time left to wait", name);
            } catch (Exception e) {
                LOG.warn("{}: closing failed", name, e);
            }
            // The interrupt that hurried one must not spoil the closing of the next.
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
                for (long left = left(); left > 0; left = left()) {
                    wait(Math.max(1, left / 1_000_000));
                }
            }
            if (closed.getCount() != 0) {
                LOG.error("{} did not close in time, halting", name);
            }
            // Also when all is closed: a hook of a library may hang too.
            int code = exitCode();
            Runtime.getRuntime()
                    .halt(code == ExitCode.OK && closed.getCount() != 0 ? ExitCode.FAILED : code);
        } catch (InterruptedException e) {
            Runtime.getRuntime().halt(ExitCode.FAILED);
        }
    }

    private long left() {
        return deadlineNanos - System.nanoTime();
    }

    private synchronized int exitCode() {
        return exitCode;
    }

    private synchronized StopReason reason() {
        return reason.orElse(StopReason.FINISHED);
    }
}

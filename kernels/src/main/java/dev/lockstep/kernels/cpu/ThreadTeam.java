// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// The compute threads of one worker: the caller is thread 0, the others live from open to close.
///
/// An op is published by its number and consists of as many shares as threads are [used][#use], or
/// of several for each of them. Each thread takes its own shares first, then those that no thread
/// has begun: a thread that has no core delays an op by nothing before its shares and by no more
/// than one of them. [#run] returns when all shares are done. Waiting threads spin for a while, if
/// the options allow it, and then park, so that no thread uses a core between steps. While they
/// spin they yield, so that a process which wants a core gets that of a thread which only waits.
/// Running a task allocates nothing.
final class ThreadTeam implements AutoCloseable {

    /// One op's work; `share` counts from 0, and one thread runs each.
    interface Task {
        void run(int share, int shares);
    }

    /// One share of a row-wise op.
    interface Rows {
        void compute(int from, int to);
    }

    private static final long SPIN_NANOS = 50_000;
    private static final long ALIVE_CHECK_NANOS = 100_000_000;
    private static final int SPINS_PER_YIELD = 64;

    /// An op's word is its number times OPS, plus the shares of a thread times THREADS, plus its
    /// threads, so that a late thread never takes a share by the count of another op.
    private static final long THREADS = 1 << 12;

    private static final int MOST_SHARES = 4;
    private static final long OPS = 8 * THREADS;

    /// A share that is not larger is not cut further: 5 to 10 µs.
    private static final long SMALL_SHARE = 1 << 21;

    // Slots of `words`, far enough apart that no two share a cache line or its neighbour: the
    // latest op, the shares of it that are not done, and for each share the latest op in which a
    // thread took it.
    private static final int APART = 32;
    private static final int OP = APART;
    private static final int REMAINING = 2 * APART;
    private static final int TAKEN = 3 * APART;

    private final AtomicLongArray words;
    private final Member[] members;
    private final List<Integer> cpus;
    private final long spinNanos;
    private int used;
    private Task task = (_, _) -> {};

    // Written before an op is published, and read by its shares.
    private final Task rowShare = this::computeRows;
    private int sharedRows;
    private Rows rowBody = (_, _) -> {};

    private @Nullable Thread caller;
    private @Nullable Thread stepThread;
    private volatile boolean callerParked;
    private volatile boolean closing;
    private volatile @Nullable Throwable failure;

    ThreadTeam(CpuOptions options) {
        cpus = options.cpus();
        spinNanos = options.spin() ? SPIN_NANOS : 0;
        used = options.threads();
        if (used >= THREADS) {
            throw new IllegalArgumentException(
                    "threads %d is above %d".formatted(used, THREADS - 1));
        }
        words = new AtomicLongArray(TAKEN + (MOST_SHARES * used + 1) * APART);
        members = new Member[options.threads() - 1];
        for (int i = 0; i < members.length; i++) {
            members[i] = new Member(i + 1);
            members[i].start();
        }
        if (!cpus.isEmpty()) {
            try {
                awaitPinned();
            } catch (RuntimeException notPinned) {
                close();
                throw notPinned;
            }
        }
    }

    int size() {
        return members.length + 1;
    }

    /// Uses that many threads for the ops that follow, 1 to [#size]. The caller of [#run] calls it,
    /// between ops; results have the same bits for any number.
    void use(int threads) {
        used = threads;
    }

    /// Says that the calling thread runs steps: it leaves the batch policy like those of the team.
    /// A caller that loads weights keeps it, because threads that it starts inherit its policy.
    void adoptStepThread() {
        Thread current = Thread.currentThread();
        if (!current.equals(stepThread)) {
            stepThread = current;
            Libc.leaveBatchPolicy();
        }
    }

    /// Returns whether work of that many multiply-adds is worth waking the team for.
    boolean worthSharing(long multiplyAdds) {
        // A shared op costs about 0.5 µs with spinning threads, 10 µs with parked ones.
        return used > 1 && multiplyAdds >= (spinNanos > 0 ? 1 << 16 : 1 << 19);
    }

    /// Runs the shares of `task` and returns when all are done. Throws if any of them threw; the
    /// team stays usable.
    void run(Task task) {
        adoptCaller();
        if (used == 1) {
            task.run(0, 1);
        } else {
            dispatch(task, 1);
        }
    }

    /// Runs `task` in shares if the work is worth it, else all of it on the calling thread.
    void run(Task task, long multiplyAdds) {
        run(task, multiplyAdds, 1);
    }

    /// The same in several shares of each thread, if the work is enough for them: a thread that
    /// loses its core then leaves most of its work to the others.
    void runInPieces(Task task, long multiplyAdds) {
        run(task, multiplyAdds, Math.clamp(multiplyAdds / SMALL_SHARE / used, 1, MOST_SHARES));
    }

    /// Cuts the rows into shares, if the work is worth it.
    void shareRows(int rows, int workPerRow, Rows body) {
        sharedRows = rows;
        rowBody = body;
        run(rowShare, (long) rows * workPerRow);
    }

    private void computeRows(int share, int shares) {
        int from = share(sharedRows, share, shares);
        int to = share(sharedRows, share + 1, shares);
        if (from < to) {
            rowBody.compute(from, to);
        }
    }

    /// Returns the first item of thread `index` of `threads` when `count` items are divided evenly.
    static int share(int count, int index, int threads) {
        return (int) ((long) count * index / threads);
    }

    @Override
    public void close() {
        closing = true;
        words.incrementAndGet(OP);
        for (Member member : members) {
            LockSupport.unpark(member);
        }
        for (Member member : members) {
            try {
                if (!member.join(Duration.ofSeconds(10))) {
                    throw new IllegalStateException(member.getName() + " does not end");
                }
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private void run(Task task, long multiplyAdds, int sharesOfThread) {
        adoptCaller();
        if (worthSharing(multiplyAdds)) {
            dispatch(task, sharesOfThread);
        } else {
            task.run(0, 1);
        }
    }

    private void dispatch(Task task, int sharesOfThread) {
        if (closing) {
            throw new IllegalStateException("the compute threads are closed");
        }
        this.task = task;
        failure = null;
        words.set(REMAINING, (long) used * sharesOfThread);
        long op = words.addAndGet(OP, OPS + sharesOfThread * THREADS + used - words.get(OP) % OPS);
        for (int i = 1; i < used; i++) {
            members[i - 1].wake();
        }
        takeShares(op, 0);
        awaitShares();
        Throwable first = failure;
        if (first != null) {
            throw new IllegalStateException("an op failed on a compute thread", first);
        }
    }

    /// Runs the shares of an op that no thread has begun, those of thread `index` first. If the op
    /// is done, none is left; so the task is that of the op whenever a share could be taken.
    private void takeShares(long op, int index) {
        int sharesOfThread = (int) (op % OPS / THREADS);
        int shares = threadsOf(op) * sharesOfThread;
        int first = index * sharesOfThread;
        for (int i = 0; i < shares; i++) {
            int share = first + i < shares ? first + i : first + i - shares;
            int taken = TAKEN + share * APART;
            long seen = words.get(taken);
            if (seen < op && words.compareAndSet(taken, seen, op)) {
                try {
                    task.run(share, shares);
                } catch (Throwable thrown) {
                    failure = thrown;
                } finally {
                    shareIsDone();
                }
            }
        }
    }

    private static int threadsOf(long op) {
        return (int) (op % THREADS);
    }

    private void shareIsDone() {
        if (words.decrementAndGet(REMAINING) == 0 && callerParked) {
            LockSupport.unpark(caller);
        }
    }

    private void awaitShares() {
        if (spunUntilDone()) {
            return;
        }
        callerParked = true;
        while (words.get(REMAINING) > 0) {
            LockSupport.parkNanos(this, ALIVE_CHECK_NANOS);
            requireAlive();
        }
        callerParked = false;
    }

    private boolean spunUntilDone() {
        long start = spinNanos > 0 ? System.nanoTime() : 0;
        do {
            for (int i = 0; i < SPINS_PER_YIELD; i++) {
                if (words.get(REMAINING) == 0) {
                    return true;
                }
                if (spinNanos == 0) {
                    return false;
                }
                Thread.onSpinWait();
            }
            yieldCore();
        } while (System.nanoTime() - start < spinNanos);
        return false;
    }

    /// Lets a thread that has no core run on this one; returns at once where there is none.
    @SuppressWarnings("ThreadPriorityCheck")
    private static void yieldCore() {
        Thread.yield();
    }

    private void requireAlive() {
        for (Member member : members) {
            if (!member.isAlive() && words.get(REMAINING) > 0) {
                throw new IllegalStateException(member.getName() + " died");
            }
        }
    }

    private void adoptCaller() {
        Thread current = Thread.currentThread();
        if (!current.equals(caller)) {
            caller = current;
            if (!cpus.isEmpty()) {
                Libc.pinThread(cpus.getFirst());
            }
        }
    }

    /// Waits until every member is pinned.
    private void awaitPinned() {
        for (Member member : members) {
            try {
                member.pinned.await();
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while compute threads were pinned");
            }
        }
        Throwable notPinned = failure;
        if (notPinned != null) {
            throw NativeLibrary.rethrow(notPinned);
        }
    }

    private final class Member extends Thread {
        private final int index;
        private final CountDownLatch pinned = new CountDownLatch(1);

        /// Whether it parks and nobody has woken it yet.
        private final AtomicBoolean parked = new AtomicBoolean();

        Member(int index) {
            super("lockstep-compute-" + index);
            this.index = index;
            setDaemon(true);
        }

        @Override
        public void run() {
            pin();
            long op = 0;
            while (true) {
                op = awaitOpAfter(op);
                if (closing) {
                    return;
                }
                takeShares(op, index);
            }
        }

        private void pin() {
            try {
                Libc.leaveBatchPolicy();
                if (!cpus.isEmpty()) {
                    Libc.pinThread(cpus.get(index));
                }
            } catch (RuntimeException notPinned) {
                failure = notPinned;
            } finally {
                pinned.countDown();
            }
        }

        /// One wake-up is enough, although the thread may get a core only many ops later.
        void wake() {
            if (parked.getPlain() && parked.compareAndSet(true, false)) {
                LockSupport.unpark(this);
            }
        }

        private long awaitOpAfter(long op) {
            long latest = spunUntilAfter(op);
            while (!isFor(latest, op)) {
                parked.set(true);
                latest = words.get(OP);
                if (!isFor(latest, op)) {
                    LockSupport.park(ThreadTeam.this);
                    latest = words.get(OP);
                }
            }
            parked.set(false);
            return latest;
        }

        /// Returns the latest op, once it is for this thread or threads have spun long enough.
        private long spunUntilAfter(long op) {
            long start = System.nanoTime();
            long latest = op;
            do {
                for (int i = 0; i < SPINS_PER_YIELD; i++) {
                    latest = words.get(OP);
                    if (spinNanos == 0 || isFor(latest, op)) {
                        return latest;
                    }
                    Thread.onSpinWait();
                }
                yieldCore();
            } while (System.nanoTime() - start < spinNanos);
            return latest;
        }

        /// Returns whether this thread has a share of an op that follows `op`, or has to end.
        private boolean isFor(long latest, long op) {
            return closing || (latest != op && index < threadsOf(latest));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// The compute threads of one worker: the caller is thread 0, the others live from open to close.
///
/// An op is published by incrementing the epoch; every thread computes a share of it; [#run]
/// returns when all have finished. Waiting threads spin for a while, if the options allow it, and
/// then park, so that no thread uses a core between steps. Running a task allocates nothing.
final class ThreadTeam implements AutoCloseable {

    /// One op's work; `thread` counts from 0.
    interface Task {
        void run(int thread, int threads);
    }

    /// One thread's part of a row-wise op.
    interface Rows {
        void compute(int from, int to);
    }

    private static final long SPIN_NANOS = 50_000;
    private static final long ALIVE_CHECK_NANOS = 100_000_000;
    private static final int SPINS_PER_CLOCK = 64;

    // Slots of `words`, far enough apart that no two share a cache line or its neighbour.
    private static final int EPOCH = 32;
    private static final int REMAINING = 64;

    private final AtomicLongArray words = new AtomicLongArray(96);
    private final Member[] members;
    private final List<Integer> cpus;
    private final long spinNanos;
    private Task task = (_, _) -> {};
    private @Nullable Thread caller;
    private volatile boolean callerParked;
    private volatile boolean closing;
    private volatile @Nullable Throwable failure;

    ThreadTeam(CpuOptions options) {
        cpus = options.cpus();
        spinNanos = options.spin() ? SPIN_NANOS : 0;
        members = new Member[options.threads() - 1];
        for (int i = 0; i < members.length; i++) {
            members[i] = new Member(i + 1);
            members[i].start();
        }
        if (!cpus.isEmpty()) {
            caller = Thread.currentThread();
            try {
                dispatch(this::pinMember);
            } catch (IllegalStateException failed) {
                close();
                throw failed.getCause() instanceof RuntimeException notPinned ? notPinned : failed;
            }
            caller = null;
        }
    }

    int size() {
        return members.length + 1;
    }

    /// Returns whether work of that many multiply-adds is worth waking the team for.
    boolean worthSharing(long multiplyAdds) {
        // A shared op costs about 0.5 µs with spinning threads, 10 µs with parked ones.
        return members.length > 0 && multiplyAdds >= (spinNanos > 0 ? 1 << 16 : 1 << 19);
    }

    /// Runs `task` on every thread and returns when all are done. Throws if any of them threw; the
    /// team stays usable.
    void run(Task task) {
        adoptCaller();
        if (members.length == 0) {
            task.run(0, 1);
        } else {
            dispatch(task);
        }
    }

    /// Runs `task` on every thread if the work is worth it, else all of it on the calling thread.
    void run(Task task, long multiplyAdds) {
        if (worthSharing(multiplyAdds)) {
            run(task);
        } else {
            adoptCaller();
            task.run(0, 1);
        }
    }

    /// Gives each thread some of the rows, if the work is worth it.
    void shareRows(int rows, int workPerRow, Rows body) {
        run(
                (thread, threads) -> {
                    int from = share(rows, thread, threads);
                    int to = share(rows, thread + 1, threads);
                    if (from < to) {
                        body.compute(from, to);
                    }
                },
                (long) rows * workPerRow);
    }

    /// Returns the first item of thread `index` of `threads` when `count` items are divided evenly.
    static int share(int count, int index, int threads) {
        return (int) ((long) count * index / threads);
    }

    @Override
    public void close() {
        closing = true;
        words.incrementAndGet(EPOCH);
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

    private void dispatch(Task task) {
        if (closing) {
            throw new IllegalStateException("the compute threads are closed");
        }
        this.task = task;
        failure = null;
        words.set(REMAINING, members.length);
        words.incrementAndGet(EPOCH);
        for (Member member : members) {
            if (member.parked) {
                LockSupport.unpark(member);
            }
        }
        Throwable mine = null;
        try {
            task.run(0, size());
        } catch (Throwable thrown) {
            mine = thrown;
        }
        awaitMembers();
        Throwable first = mine != null ? mine : failure;
        if (first != null) {
            throw new IllegalStateException("an op failed on a compute thread", first);
        }
    }

    private void awaitMembers() {
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
            for (int i = 0; i < SPINS_PER_CLOCK; i++) {
                if (words.get(REMAINING) == 0) {
                    return true;
                }
                if (spinNanos == 0) {
                    return false;
                }
                Thread.onSpinWait();
            }
        } while (System.nanoTime() - start < spinNanos);
        return false;
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

    private void pinMember(int thread, int threads) {
        if (thread > 0) {
            Libc.pinThread(cpus.get(thread));
        }
    }

    private final class Member extends Thread {
        private final int index;
        private volatile boolean parked;

        Member(int index) {
            super("lockstep-compute-" + index);
            this.index = index;
            setDaemon(true);
        }

        @Override
        public void run() {
            long seen = 0;
            while (true) {
                awaitEpochAfter(seen);
                if (closing) {
                    return;
                }
                seen++;
                try {
                    task.run(index, size());
                } catch (Throwable thrown) {
                    failure = thrown;
                } finally {
                    leave();
                }
            }
        }

        private void leave() {
            if (words.decrementAndGet(REMAINING) == 0 && callerParked) {
                LockSupport.unpark(caller);
            }
        }

        private void awaitEpochAfter(long seen) {
            if (spunUntilAfter(seen)) {
                return;
            }
            parked = true;
            while (words.get(EPOCH) == seen) {
                LockSupport.park(ThreadTeam.this);
            }
            parked = false;
        }

        private boolean spunUntilAfter(long seen) {
            long start = System.nanoTime();
            do {
                for (int i = 0; i < SPINS_PER_CLOCK; i++) {
                    if (words.get(EPOCH) != seen) {
                        return true;
                    }
                    if (spinNanos == 0) {
                        return false;
                    }
                    Thread.onSpinWait();
                }
            } while (System.nanoTime() - start < spinNanos);
            return false;
        }
    }
}

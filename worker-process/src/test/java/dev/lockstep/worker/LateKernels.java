// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Mark;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Kernels that compute at once, as the ones they wrap, but whose marks are reached when the test
/// says so, and whose later copies hold garbage until then: the order of events of a device with a
/// stream.
///
/// A wait for a mark takes as long as the test takes. Thread-safe.
final class LateKernels {
    private static final byte GARBAGE = 0x5a;

    private final Kernels real;
    private final Deque<LateMark> pending = new ArrayDeque<>();
    private final Deque<Runnable> copies = new ArrayDeque<>();
    private boolean late;
    private @Nullable RuntimeException broken;
    private int waits;

    LateKernels(Kernels real) {
        this.real = real;
    }

    Kernels kernels() {
        return (Kernels)
                Proxy.newProxyInstance(
                        Kernels.class.getClassLoader(),
                        new Class<?>[] {Kernels.class},
                        (_, called, arguments) -> call(called, arguments));
    }

    /// From now on marks are late, or no longer: then those that wait are reached.
    synchronized void late(boolean now) {
        late = now;
        if (!now) {
            while (reachNext()) {}
        }
    }

    /// Reaches the oldest mark that is not; returns whether there was one.
    synchronized boolean reachNext() {
        if (pending.isEmpty()) {
            return false;
        }
        LateMark next = pending.removeFirst();
        next.copies.forEach(Runnable::run);
        next.reached = true;
        notifyAll();
        return true;
    }

    /// Makes every wait throw from now on, also those that are going on; marks count as reached.
    synchronized void fail(RuntimeException failure) {
        broken = failure;
        while (reachNext()) {}
    }

    /// Returns the number of marks that are not reached.
    synchronized int pending() {
        return pending.size();
    }

    /// Lets waits succeed again.
    synchronized void mend() {
        broken = null;
    }

    /// Waits until that many threads wait for a mark that is not reached.
    synchronized void awaitWaiters(int threads) throws InterruptedException {
        while (waits < threads) {
            wait(1000);
        }
    }

    private @Nullable Object call(Method called, Object @Nullable [] arguments) throws Throwable {
        switch (called.getName()) {
            case "mark" -> {
                return mark();
            }
            case "synchronize" -> mark().await();
            case "copyToHostLater" -> {
                Object[] copy = Objects.requireNonNull(arguments);
                copyLater((Tensor) copy[0], (MemorySegment) copy[1]);
            }
            default -> {
                if (called.getName().equals("copyToHost")) {
                    mark().await();
                }
                try {
                    return called.invoke(real, arguments);
                } catch (InvocationTargetException e) {
                    throw e.getCause();
                }
            }
        }
        return null;
    }

    private synchronized LateMark mark() {
        var mark = new LateMark(new ArrayDeque<>(copies));
        copies.clear();
        pending.addLast(mark);
        if (!late) {
            while (reachNext()) {}
        }
        return mark;
    }

    /// Copies now, since later ops change the source, and shows the host garbage until the mark.
    private synchronized void copyLater(Tensor source, MemorySegment host) {
        MemorySegment values = Arena.ofAuto().allocate(source.bytes());
        real.copyToHost(source, values);
        host.fill(GARBAGE);
        copies.addLast(() -> MemorySegment.copy(values, 0, host, 0, values.byteSize()));
    }

    private final class LateMark implements Mark {
        private final Deque<Runnable> copies;
        private boolean reached;

        LateMark(Deque<Runnable> copies) {
            this.copies = copies;
        }

        @Override
        public boolean reached() {
            synchronized (LateKernels.this) {
                return reached;
            }
        }

        @Override
        public void await() {
            synchronized (LateKernels.this) {
                waits++;
                LateKernels.this.notifyAll();
                try {
                    while (!reached) {
                        LateKernels.this.wait(1000);
                    }
                } catch (InterruptedException e) {
                    throw new IllegalStateException("interrupted", e);
                } finally {
                    waits--;
                }
                if (broken != null) {
                    throw broken;
                }
            }
        }
    }
}

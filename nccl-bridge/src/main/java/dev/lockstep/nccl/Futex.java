// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.TimeUnit;

/// Linux's futex between processes: the only native call of this package.
final class Futex {
    private static final long NUMBER = number(System.getProperty("os.arch"));
    private static final long WAIT = 0;
    private static final long WAKE = 1;
    private static final MethodHandle SYSCALL = syscall();
    private static final MemorySegment SLICE = slice(TimeUnit.MILLISECONDS.toNanos(100));

    private Futex() {}

    /// Sleeps while the int at `offset` is `seen`, at most 100 ms; may return early.
    static void sleep(MemorySegment memory, long offset, int seen) {
        call(memory.address() + offset, WAIT, seen, SLICE.address());
    }

    static void wakeAll(MemorySegment memory, long offset) {
        call(memory.address() + offset, WAKE, Integer.MAX_VALUE, 0);
    }

    /// Ignores the result, since a sleeping rank reads the word again.
    private static void call(long address, long operation, long value, long timeout) {
        try {
            long ignored = (long) SYSCALL.invokeExact(NUMBER, address, operation, value, timeout);
        } catch (Throwable e) {
            throw new IllegalStateException("futex", e);
        }
    }

    @SuppressWarnings("restricted")
    private static MethodHandle syscall() {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow("syscall"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_LONG),
                Linker.Option.firstVariadicArg(1));
    }

    private static MemorySegment slice(long nanos) {
        MemorySegment timespec = Arena.global().allocate(ValueLayout.JAVA_LONG, 2);
        timespec.setAtIndex(ValueLayout.JAVA_LONG, 1, nanos);
        return timespec;
    }

    private static long number(String architecture) {
        return switch (architecture) {
            case "amd64" -> 202;
            case "aarch64" -> 98;
            default ->
                    throw new UnsupportedOperationException(
                            "futex on %s: shared memory between ranks needs Linux on amd64 or aarch64"
                                    .formatted(architecture));
        };
    }
}

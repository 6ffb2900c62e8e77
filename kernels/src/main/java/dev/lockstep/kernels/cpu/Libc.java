// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/// The calls into the C library: anonymous memory, affinity and policy of threads (Linux).
final class Libc {
    static final int PAGE_BYTES = 4096;

    private static final int PROT_READ_WRITE = 1 | 2;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_HUGEPAGE = 14;
    private static final int MAX_CPUS = 1024;
    private static final int SCHED_OTHER = 0;
    private static final int SCHED_BATCH = 3;

    private static final MethodHandle MMAP =
            handle(
                    "mmap",
                    FunctionDescriptor.of(
                            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
                            JAVA_LONG));
    private static final MethodHandle MUNMAP =
            handle("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MADVISE =
            handle("madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    private Libc() {}

    /// Maps zeroed, page-aligned memory, no page of which is touched yet.
    static long map(long bytes) {
        try {
            long address =
                    (long)
                            MMAP.invokeExact(
                                    0L, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (address == -1) {
                throw new OutOfMemoryError("mmap of %d bytes failed".formatted(bytes));
            }
            return address;
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    static void unmap(long address, long bytes) {
        try {
            int result = (int) MUNMAP.invokeExact(address, bytes);
            if (result != 0) {
                throw new IllegalStateException("munmap of %d bytes failed".formatted(bytes));
            }
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    /// Requests 2 MiB pages before first touch; a system without them uses small pages.
    static void adviseHugePages(long address, long bytes) {
        try {
            int _ = (int) MADVISE.invokeExact(address, bytes, MADV_HUGEPAGE);
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    /// Frees the pages of anonymous memory, which then is zero.
    static void discard(long address, long bytes) {
        try {
            int result = (int) MADVISE.invokeExact(address, bytes, MADV_DONTNEED);
            if (result != 0) {
                throw new IllegalStateException("madvise of %d bytes failed".formatted(bytes));
            }
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    /// Binds the calling thread to one CPU. Threads that it starts later inherit the binding.
    static void pinThread(int cpu) {
        if (cpu < 0 || cpu >= MAX_CPUS) {
            throw new IllegalArgumentException(
                    "CPU %d, must be 0 to %d".formatted(cpu, MAX_CPUS - 1));
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mask = arena.allocate(MAX_CPUS / 8, 8);
            mask.set(ValueLayout.JAVA_BYTE, cpu / 8, (byte) (1 << (cpu % 8)));
            int result = (int) Affinity.SET.invokeExact(0, mask.byteSize(), mask.address());
            if (result != 0) {
                throw new IllegalStateException(
                        "cannot pin a compute thread to CPU %d: it is offline or outside this process's cpuset"
                                .formatted(cpu));
            }
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    /// Gives the calling thread the usual policy, `SCHED_OTHER`, if it inherited `SCHED_BATCH`: its
    /// next op begins when it is woken, not when another thread leaves its core. Threads that it
    /// starts later inherit the policy. A C library that does not set policies leaves it.
    static void leaveBatchPolicy() {
        try (Arena arena = Arena.ofConfined()) {
            if ((int) Policy.GET.invokeExact(0) == SCHED_BATCH) {
                // Its only field is a priority, which is 0.
                MemorySegment param = arena.allocate(JAVA_INT);
                int _ = (int) Policy.SET.invokeExact(0, SCHED_OTHER, param.address());
            }
        } catch (Throwable failure) {
            throw NativeLibrary.rethrow(failure);
        }
    }

    private static final class Policy {
        static final MethodHandle GET =
                handle("sched_getscheduler", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
        static final MethodHandle SET =
                handle(
                        "sched_setscheduler",
                        FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    }

    private static final class Affinity {
        static final MethodHandle SET =
                handle(
                        "sched_setaffinity",
                        FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    }

    @SuppressWarnings("restricted")
    private static MethodHandle handle(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLong;

/// How many ops the device has finished: a word of mapped memory that a kernel advances after some
/// of them, at least once a layer.
final class CudaProgress {
    static final KernelDeclaration ADVANCE =
            KernelDeclaration.of(
                    "advance", KernelStruct.named("AdvanceParams").pointer("word").i64("steps"));

    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();
    private static final int OPS = 16;

    private final MemorySegment word;
    private final DevicePointer address;
    private final CudaOp advance;
    private int pending;
    private final AtomicLong announced = new AtomicLong();

    CudaProgress(CudaMemory memory, CudaPrograms programs) {
        word = memory.pin(Long.BYTES, Arena.global());
        address = memory.device(word);
        advance = programs.op(ADVANCE);
    }

    /// Counts an op that was enqueued.
    void enqueued() {
        if (++pending >= OPS) {
            advance();
        }
    }

    /// Lets the device tell of all ops enqueued until now.
    void advance() {
        if (pending > 0) {
            advance.begin().pointer(address).i64(pending).launch(1, 1, 1, 1);
            announce(pending);
            pending = 0;
        }
    }

    /// Drops the ops since the last [#advance], which will not run.
    void forget() {
        pending = 0;
    }

    /// Adds ops that the device will tell of. Those of a recording are told of by its launches, so
    /// their number is taken back.
    void announce(long ops) {
        announced.addAndGet(ops);
    }

    /// Returns the ops that the device has told of or will; any thread may ask.
    long announced() {
        return announced.get();
    }

    /// Returns the ops that are known to have finished; any thread may ask.
    long ops() {
        return (long) WORD.getVolatile(word, 0L);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The signal that the kernel sends when the process that started this one ends.
final class ParentDeath {
    private static final int PR_SET_PDEATHSIG = 1;
    private static final int SIGCONT = 18;
    private static final Logger LOG = LogManager.getLogger(ParentDeath.class);

    private ParentDeath() {}

    /// Wakes this process if it is stopped when its parent ends, so that it reads the end of its
    /// input and stops like the others. The request belongs to the calling thread, which must live
    /// as long as the process.
    @SuppressWarnings("restricted") // calls prctl with the types that it has
    static void wakes() {
        Optional<MemorySegment> prctl = Linker.nativeLinker().defaultLookup().find("prctl");
        if (prctl.isEmpty()) {
            LOG.debug(
                    "there is no prctl: a stopped process outlives its parent until it continues");
            return;
        }
        MethodHandle call =
                Linker.nativeLinker()
                        .downcallHandle(
                                prctl.get(),
                                FunctionDescriptor.of(
                                        ValueLayout.JAVA_INT,
                                        ValueLayout.JAVA_INT,
                                        ValueLayout.JAVA_LONG),
                                Linker.Option.firstVariadicArg(1));
        try {
            int result = (int) call.invokeExact(PR_SET_PDEATHSIG, (long) SIGCONT);
            LOG.debug("prctl(PR_SET_PDEATHSIG) returned {}", result);
        } catch (Throwable e) {
            throw new IllegalStateException("prctl cannot be called", e);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Every address of the process as one segment, indexed by the address itself.
///
/// The Java twins read and write through it as C++ does: bounds are checked in the drivers, not
/// here.
final class AllMemory {
    static final MemorySegment SEGMENT = all();
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    private AllMemory() {}

    @SuppressWarnings("restricted")
    private static MemorySegment all() {
        return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    }
}

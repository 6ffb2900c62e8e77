// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.lang.foreign.MemorySegment;

/// Every address of the process as one segment, indexed by the address itself.
///
/// The Java twins read and write through it as C++ does: bounds are checked in the drivers, not
/// here.
final class AllMemory {
    static final MemorySegment SEGMENT = all();

    private AllMemory() {}

    @SuppressWarnings("restricted")
    private static MemorySegment all() {
        return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    }
}

package dev.lockstep.cli;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/// How large a scheduler's heap may grow: a small share of the host's memory, because the metadata
/// of KV blocks grows with the pool, and a pool with a host's memory. `scripts/environment` counts
/// the same.
///
/// 130 bytes of metadata stand for a block of, with the smallest model worth serving, 360,000: a
/// 64th is plenty on the host of the workers.
final class SchedulerHeap {
    private static final long SHARE = 64;
    private static final long LEAST_MEBIBYTES = 256;
    private static final long MOST_MEBIBYTES = 4096;

    private SchedulerHeap() {}

    static long mebibytes(long hostBytes) {
        return Math.clamp((hostBytes >> 20) / SHARE, LEAST_MEBIBYTES, MOST_MEBIBYTES);
    }

    /// Of a container, where one limits it.
    static long hostBytes() {
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getTotalMemorySize();
    }
}

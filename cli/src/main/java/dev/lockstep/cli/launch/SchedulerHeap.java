// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.HostMemory;
import java.nio.file.Path;

/// The maximum heap of a scheduler: a small share of the memory of the host, or of the container,
/// because the metadata of KV blocks grows with the pool, and the pool with that memory.
/// `scripts/environment` computes the same value.
///
/// A block has 130 bytes of metadata and, with the smallest model worth serving, 360,000 bytes of
/// keys and values: a 64th of the memory is ample on the host of the workers.
final class SchedulerHeap {
    private static final long SHARE = 64;
    private static final long MIN_MEBIBYTES = 256;
    private static final long MAX_MEBIBYTES = 4096;

    private SchedulerHeap() {}

    /// Returns the maximum heap in MiB of a scheduler that this process starts.
    static long mebibytes() {
        return mebibytes(Path.of("/"));
    }

    /// @param root of the file system; tests have their own
    static long mebibytes(Path root) {
        long share = (HostMemory.totalBytes(root) >> 20) / SHARE;
        return Math.clamp(share, MIN_MEBIBYTES, MAX_MEBIBYTES);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The maximum heap of a scheduler: a small share of the host's memory, because the metadata of KV
/// blocks grows with the pool, and the pool with the host's memory. `scripts/environment` computes
/// the same value.
///
/// A block has 130 bytes of metadata and, with the smallest model worth serving, 360,000 bytes of
/// keys and values: a 64th of the memory is ample on the host of the workers.
final class SchedulerHeap {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Pattern TOTAL = Pattern.compile("MemTotal: +(\\d{1,15}) kB");
    private static final long SHARE = 64;
    private static final long MIN_MEBIBYTES = 256;
    private static final long MAX_MEBIBYTES = 4096;

    private SchedulerHeap() {}

    /// Returns the maximum heap on this host in MiB; the minimum where the memory size is unknown.
    static long mebibytes() {
        try {
            Matcher total = TOTAL.matcher(Files.readString(MEMORY));
            return mebibytes(total.find() ? Long.parseLong(total.group(1)) : 0);
        } catch (IOException e) {
            return MIN_MEBIBYTES;
        }
    }

    static long mebibytes(long hostKibibytes) {
        return Math.clamp(hostKibibytes / 1024 / SHARE, MIN_MEBIBYTES, MAX_MEBIBYTES);
    }
}

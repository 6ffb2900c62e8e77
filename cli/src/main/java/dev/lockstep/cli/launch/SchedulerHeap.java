package dev.lockstep.cli.launch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/// How large a scheduler's heap may grow: a small share of the host's memory, because the metadata
/// of KV blocks grows with the pool, and a pool with a host's memory. `scripts/environment` counts
/// the same.
///
/// 130 bytes of metadata stand for a block of, with the smallest model worth serving, 360,000: a
/// 64th is plenty on the host of the workers.
final class SchedulerHeap {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Pattern TOTAL = Pattern.compile("MemTotal: +(\\d{1,15}) kB");
    private static final long SHARE = 64;
    private static final long LEAST_MEBIBYTES = 256;
    private static final long MOST_MEBIBYTES = 4096;

    private SchedulerHeap() {}

    /// On this host; the least where nobody tells how large it is.
    static long mebibytes() {
        try {
            var total = TOTAL.matcher(Files.readString(MEMORY));
            return mebibytes(total.find() ? Long.parseLong(total.group(1)) : 0);
        } catch (IOException e) {
            return LEAST_MEBIBYTES;
        }
    }

    static long mebibytes(long hostKibibytes) {
        return Math.clamp(hostKibibytes / 1024 / SHARE, LEAST_MEBIBYTES, MOST_MEBIBYTES);
    }
}

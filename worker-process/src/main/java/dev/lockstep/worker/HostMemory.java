package dev.lockstep.worker;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// What this host's memory can still take, from `/proc/meminfo`.
public final class HostMemory {
    private static final Path MEMINFO = Path.of("/proc/meminfo");

    private static final long KV_CEILING = 2L << 30;

    private HostMemory() {}

    /// KV memory where none is given: the least of half of what is free, 2 GiB, and what the most
    /// and longest sequences need, with the null block.
    ///
    /// @param bytesPerToken of all ranks that share the memory
    public static long defaultKvBytes(
            long available, long bytesPerToken, int maxSequences, int maxModelLen) {
        long blocks = Math.ceilDiv((long) maxModelLen, WorkerConfig.BLOCK_SIZE) * maxSequences + 1;
        long needed = Math.multiplyExact(bytesPerToken * WorkerConfig.BLOCK_SIZE, blocks);
        return Math.min(Math.min(available / 2, KV_CEILING), needed);
    }

    /// Bytes that can be had without swapping.
    public static long availableBytes() {
        try {
            for (String line : Files.readAllLines(MEMINFO)) {
                if (line.startsWith("MemAvailable:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + MEMINFO, e);
        }
        throw new IllegalStateException(MEMINFO + " has no MemAvailable line");
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import com.sun.management.UnixOperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// What a process uses at one moment. A number that the system does not tell is absent.
///
/// @param threads platform threads, by name; virtual threads are those of requests
/// @param descriptors open file descriptors, and how many there may be
/// @param memory bytes of the heap, of buffers outside of it, and of what the process occupies
record ProcessFacts(
        String name,
        long pid,
        long uptimeMillis,
        List<ThreadFacts> threads,
        Map<String, Long> descriptors,
        Map<String, Long> memory) {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final String RESIDENT = "VmRSS:";
    private static final Logger LOG = LogManager.getLogger(ProcessFacts.class);

    record ThreadFacts(String name, Thread.State state) {}

    static ProcessFacts now(String name) {
        return new ProcessFacts(
                name,
                ProcessHandle.current().pid(),
                ManagementFactory.getRuntimeMXBean().getUptime(),
                threadFacts(),
                countDescriptors(),
                countMemory());
    }

    private static List<ThreadFacts> threadFacts() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(thread -> new ThreadFacts(thread.getName(), thread.getState()))
                .sorted(Comparator.comparing(ThreadFacts::name))
                .toList();
    }

    private static Map<String, Long> countDescriptors() {
        var counts = new TreeMap<String, Long>();
        if (ManagementFactory.getOperatingSystemMXBean()
                instanceof UnixOperatingSystemMXBean unix) {
            counts.put("open", unix.getOpenFileDescriptorCount());
            counts.put("limit", unix.getMaxFileDescriptorCount());
        }
        return counts;
    }

    private static Map<String, Long> countMemory() {
        var bytes = new TreeMap<String, Long>();
        MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        bytes.put("heap_used", heap.getUsed());
        bytes.put("heap_committed", heap.getCommitted());
        bytes.put("heap_limit", heap.getMax());
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            bytes.put("buffers_" + pool.getName().replaceAll("[^a-z]+", "_"), pool.getMemoryUsed());
        }
        resident().ifPresent(resident -> bytes.put("resident", resident));
        return bytes;
    }

    private static Optional<Long> resident() {
        if (!Files.isReadable(STATUS)) {
            return Optional.empty();
        }
        try {
            return Files.readAllLines(STATUS).stream()
                    .filter(line -> line.startsWith(RESIDENT))
                    .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
                    .findFirst();
        } catch (IOException e) {
            LOG.debug("cannot read {}", STATUS, e);
            return Optional.empty();
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SchedulerHeapTest {
    private static final long GIB = 1L << 30;
    private static final Path ENVIRONMENT = Path.of("../scripts/environment");

    private static final String VERSION_2 =
            "29 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw";
    private static final String VERSION_1 =
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";

    @TempDir Path root;

    /// Returns the heap that launcher and scripts compute; they agree.
    private long heap() throws Exception {
        String script = "source \"$1\"; scheduler_heap \"$2\"";
        Process bash =
                new ProcessBuilder(
                                "bash", "-euc", script, "bash", ENVIRONMENT + "", root.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        bash.getOutputStream().close();
        List<String> lines = bash.inputReader().lines().toList();
        assertEquals(0, bash.waitFor());
        long heap = SchedulerHeap.mebibytes(root);
        assertEquals(List.of(Long.toString(heap)), lines);
        return heap;
    }

    private void write(String file, String content) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, content + "\n");
    }

    private void host(long bytes) throws IOException {
        write("proc/meminfo", "MemTotal:  " + (bytes >> 10) + " kB\nMemAvailable: 1024 kB");
    }

    private void process(String groups, String mounts) throws IOException {
        write("proc/self/cgroup", groups);
        write("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/root rw\n" + mounts);
    }

    private void group(String file, Object content) throws IOException {
        write("sys/fs/cgroup/" + file, content.toString());
    }

    @Test
    void theHeapIsA64thOfTheHostMemoryWithinBounds() throws Exception {
        host(4 * GIB);
        assertEquals(256, heap());
        host(32 * GIB);
        assertEquals(512, heap());
        host(2048 * GIB);
        assertEquals(4096, heap());
    }

    @Test
    void theLowestLimitOfTheContainerAndOfWhatIsAroundItCounts() throws Exception {
        host(256 * GIB);
        process("0::/pods/box", VERSION_2);
        group("cgroup.procs", "1");
        group("pods/memory.max", 64 * GIB);
        group("pods/memory.high", "max");
        group("pods/box/memory.max", "max");
        assertEquals(1024, heap());
        group("pods/box/memory.high", 48 * GIB);
        assertEquals(768, heap());
        group("pods/box/memory.max", GIB);
        assertEquals(256, heap());
        group("pods/box/memory.max", 500 * GIB);
        group("pods/box/memory.high", "max");
        group("pods/memory.max", "max");
        assertEquals(4096, heap());
    }

    @Test
    void controlGroupsOfVersion1CountToo() throws Exception {
        host(256 * GIB);
        process("5:cpu,cpuacct:/\n4:memory:/docker/a:b\n0::/", VERSION_1);
        group("memory/memory.limit_in_bytes", "9223372036854771712");
        group("memory/docker/a:b/memory.limit_in_bytes", 64 * GIB);
        assertEquals(1024, heap());
        // Without the limit of its own folder, and a path that leaves the mount.
        process("4:memory:/../other", VERSION_1);
        group("memory/memory.limit_in_bytes", 32 * GIB);
        assertEquals(512, heap());
    }

    /// A container that sees the path on the host, but whose own folder is the mount.
    @Test
    void theFolderOfAContainerMayBeTheMount() throws Exception {
        host(256 * GIB);
        process("4:memory:/docker/box", VERSION_1.replace(" / /sys", " /docker/box /sys"));
        group("memory/memory.limit_in_bytes", 40 * GIB);
        assertEquals(640, heap());
    }

    @Test
    void aSchedulerStartsWithThisHeap() {
        List<String> command =
                JavaProcess.command(
                        JavaProcess.Role.SCHEDULER,
                        "scheduler",
                        Path.of("run"),
                        Optional.empty(),
                        List.of());
        long heap = SchedulerHeap.mebibytes();
        assertTrue(command.contains("-Xmx" + heap + "m"), command::toString);
    }
}

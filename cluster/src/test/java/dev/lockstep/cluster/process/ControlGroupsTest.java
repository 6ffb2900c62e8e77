// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Memory and CPUs of a process in control groups, read from the files of a test.
class ControlGroupsTest {
    private static final long GIB = HostTree.GIB;
    private static final List<Integer> ALL = List.of(0, 1, 2, 3, 4, 5, 6, 7);

    private static final String MEMORY_1 =
            "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";
    private static final String CPU_1 =
            "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct";

    @TempDir Path folder;

    @Test
    void withoutControlGroupsTheHostCounts() throws Exception {
        HostTree host = HostTree.in(folder);
        assertEquals(HostTree.HOST_BYTES, host.availableBytes());
        assertEquals(128 * GIB, host.totalBytes());
        assertEquals(new HostCpus(8, ALL), host.cpus());
    }

    @Test
    void aContainerOfVersion2IsTheRootOfItsNamespace() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process("0::/", HostTree.VERSION_2)
                        .group(
                                "",
                                "memory.max",
                                "" + 4 * GIB,
                                "memory.high",
                                "max",
                                "memory.current",
                                "" + 3 * GIB,
                                "memory.stat",
                                "anon 1\nfile 2\ninactive_file 1073741824\nactive_file 536870912",
                                "cpu.max",
                                "250000 100000");
        // 4 GiB, of which 3 are used, 1.5 of these by pages of files.
        assertEquals(5 * GIB / 2, host.availableBytes());
        assertEquals(4 * GIB, host.totalBytes());
        assertEquals(new HostCpus(3, List.of()), host.cpus());
    }

    @Test
    void theLowestLimitOfNestedGroupsCounts() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process("0::/pods.slice/pod1/box", HostTree.VERSION_2)
                        // The outermost group has no such files.
                        .group("", "cgroup.procs", "")
                        .group("pods.slice", "memory.max", "max", "memory.current", "" + 9 * GIB)
                        .group("pods.slice", "cpu.max", "max 100000")
                        .group("pods.slice/pod1", "memory.max", "" + 2 * GIB)
                        .group("pods.slice/pod1", "memory.current", "" + GIB)
                        .group("pods.slice/pod1", "cpu.max", "150000 100000")
                        .group("pods.slice/pod1/box", "memory.max", "" + 3 * GIB)
                        .group("pods.slice/pod1/box", "memory.current", "0")
                        .group("pods.slice/pod1/box", "cpu.max", "max 100000");
        assertEquals(GIB, host.availableBytes());
        assertEquals(2 * GIB, host.totalBytes());
        assertEquals(new HostCpus(2, List.of()), host.cpus());
    }

    @Test
    void withoutLimitsTheHostCounts() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process("0::/user.slice", HostTree.VERSION_2)
                        .group("user.slice", "memory.max", "max", "memory.current", "5")
                        .group("user.slice", "cpu.max", "max 100000");
        assertEquals(HostTree.HOST_BYTES, host.availableBytes());
        assertEquals(128 * GIB, host.totalBytes());
        assertEquals(new HostCpus(8, ALL), host.cpus());
    }

    @Test
    void theSoftLimitCountsTooAndAnOverfullGroupHasNoRoom() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process("0::/", HostTree.VERSION_2)
                        .group("", "memory.max", "" + 8 * GIB, "memory.high", "" + 2 * GIB)
                        .group("", "memory.current", "" + 3 * GIB);
        assertEquals(0, host.availableBytes());
        assertEquals(2 * GIB, host.totalBytes());
    }

    @Test
    void groupsOfVersion1HaveAFolderPerController() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process(
                                "4:memory:/docker/box\n3:cpu,cpuacct:/docker/box\n1:name=systemd:/\n0::/",
                                MEMORY_1,
                                CPU_1,
                                "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw")
                        .group("memory", "memory.limit_in_bytes", "9223372036854771712")
                        .group("memory/docker", "memory.limit_in_bytes", "9223372036854771712")
                        .group("memory/docker/box", "memory.limit_in_bytes", "" + 4 * GIB)
                        .group("memory/docker/box", "memory.usage_in_bytes", "" + 2 * GIB)
                        .group(
                                "memory/docker/box",
                                "memory.stat",
                                "inactive_file 9\ntotal_inactive_file 1073741824\ntotal_active_file 0")
                        .group("cpu,cpuacct", "cpu.cfs_quota_us", "-1")
                        .group("cpu,cpuacct", "cpu.cfs_period_us", "100000")
                        .group("cpu,cpuacct/docker/box", "cpu.cfs_quota_us", "400000")
                        .group("cpu,cpuacct/docker/box", "cpu.cfs_period_us", "100000");
        assertEquals(3 * GIB, host.availableBytes());
        assertEquals(4 * GIB, host.totalBytes());
        assertEquals(new HostCpus(4, List.of()), host.cpus());
    }

    /// A container without a namespace of its own: it sees the path on the host, but only its own
    /// folder is mounted.
    @Test
    void theFolderOfAContainerMayBeTheMount() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process(
                                "4:memory:/docker/box",
                                "35 31 0:32 /docker/box /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory")
                        .group("memory", "memory.limit_in_bytes", "" + 4 * GIB)
                        .group("memory", "memory.usage_in_bytes", "0");
        assertEquals(4 * GIB, host.availableBytes());
        assertEquals(4 * GIB, host.totalBytes());
        HostTree moved =
                host.process(
                        "4:memory:/../other",
                        "35 31 0:32 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory");
        assertEquals(4 * GIB, moved.availableBytes());
        assertEquals(4 * GIB, moved.totalBytes());
    }

    @Test
    void aCpusetCountsAndAHigherQuotaDoesNot() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .with("proc/self/status", "Cpus_allowed_list:\t2-3,6\n")
                        .process("0::/", HostTree.VERSION_2)
                        .group("", "cpu.max", "400000 100000");
        assertEquals(new HostCpus(3, List.of(2, 3, 6)), host.cpus());
        HostTree half = host.group("", "cpu.max", "50000 100000");
        assertEquals(new HostCpus(1, List.of()), half.cpus());
    }

    @Test
    void limitsAboveTheFreeMemoryOfTheHostDoNotCount() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process("0::/", HostTree.VERSION_2)
                        .group("", "memory.max", "" + 500 * GIB, "memory.current", "0");
        assertEquals(HostTree.HOST_BYTES, host.availableBytes());
        assertEquals(128 * GIB, host.totalBytes());
    }

    @Test
    void aMountPathMayHaveASpace() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process(
                                "0::/a box",
                                "29 23 0:26 / /my\\040groups\\134x rw - cgroup2 cgroup2 rw")
                        .with("my groups\\x/a box/memory.max", "" + 3 * GIB);
        assertEquals(3 * GIB, host.availableBytes());
    }

    /// As where a security module forbids it: what the host has counts.
    @Test
    void aFileThatCannotBeReadIsPassedOver() throws Exception {
        HostTree host =
                HostTree.in(folder)
                        .process("0::/", HostTree.VERSION_2)
                        .group("memory.max", "is a folder", "5")
                        .group("memory.stat", "is a folder", "5")
                        .group("", "memory.high", "" + 3 * GIB, "cpu.max", "not a number");
        assertEquals(3 * GIB, host.availableBytes());
        assertEquals(new HostCpus(8, ALL), host.cpus());
        Files.delete(folder.resolve("proc/self/cgroup"));
        Files.createDirectory(folder.resolve("proc/self/cgroup"));
        assertEquals(HostTree.HOST_BYTES, host.availableBytes());
    }
}

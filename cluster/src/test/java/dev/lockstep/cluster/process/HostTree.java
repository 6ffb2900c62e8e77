// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A file system with a `/proc` and a `/sys/fs/cgroup` of a test, of a host with 8 CPUs and 64 GiB
/// of free memory, of 128.
record HostTree(Path root) {
    static final long GIB = 1L << 30;
    static final long HOST_BYTES = 64 * GIB;

    static final String VERSION_2 =
            "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";

    static HostTree in(Path root) throws IOException {
        return new HostTree(root)
                .with("proc/meminfo", "MemTotal: 134217728 kB\nMemAvailable: 67108864 kB\n")
                .with("proc/self/status", "Name:\tjava\nCpus_allowed_list:\t0-7\n");
    }

    HostTree with(String file, String content) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, content);
        return this;
    }

    /// Sets the lines of `/proc/self/cgroup` and the mounts of the hierarchies.
    HostTree process(String groups, String... mounts) throws IOException {
        return with("proc/self/cgroup", groups + "\n")
                .with("proc/self/mountinfo", String.join("\n", mounts) + "\n");
    }

    HostTree group(String folder, String... filesAndContents) throws IOException {
        for (int i = 0; i < filesAndContents.length; i += 2) {
            var _ =
                    with(
                            "sys/fs/cgroup/" + folder + "/" + filesAndContents[i],
                            filesAndContents[i + 1] + "\n");
        }
        return this;
    }

    long availableBytes() {
        return HostMemory.availableBytes(root);
    }

    long totalBytes() {
        return HostMemory.totalBytes(root);
    }

    HostCpus cpus() {
        return HostCpus.of(root);
    }
}

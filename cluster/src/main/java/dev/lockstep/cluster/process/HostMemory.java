// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/// The memory that this process may use: that of the host, or less where a control group, such as
/// that of a container, allows less.
public final class HostMemory {
    private HostMemory() {}

    /// Returns the bytes that can be allocated without swapping.
    public static long availableBytes() {
        return availableBytes(Path.of("/"));
    }

    static long availableBytes(Path root) {
        OptionalLong limit = new ControlGroups(root).availableBytes();
        return Math.min(bytes(root, "MemAvailable:"), limit.orElse(Long.MAX_VALUE));
    }

    /// Returns the bytes of the host or of the group, used ones too.
    ///
    /// @param root of the file system; tests have their own
    public static long totalBytes(Path root) {
        OptionalLong limit = new ControlGroups(root).limitBytes();
        return Math.min(bytes(root, "MemTotal:"), limit.orElse(Long.MAX_VALUE));
    }

    private static long bytes(Path root, String key) {
        Path meminfo = root.resolve("proc/meminfo");
        try {
            for (String line : Files.readAllLines(meminfo)) {
                if (line.startsWith(key)) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + meminfo, e);
        }
        throw new IllegalStateException(meminfo + " has no line " + key);
    }
}

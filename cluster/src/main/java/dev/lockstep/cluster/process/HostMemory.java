// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/// The memory that this process may still use: the free memory of the host, or less where a control
/// group, such as that of a container, allows less.
public final class HostMemory {
    private HostMemory() {}

    /// Returns the bytes that can be allocated without swapping.
    public static long availableBytes() {
        return availableBytes(Path.of("/"));
    }

    static long availableBytes(Path root) {
        OptionalLong limit = new ControlGroups(root).availableBytes();
        return Math.min(free(root.resolve("proc/meminfo")), limit.orElse(Long.MAX_VALUE));
    }

    private static long free(Path meminfo) {
        try {
            for (String line : Files.readAllLines(meminfo)) {
                if (line.startsWith("MemAvailable:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + meminfo, e);
        }
        throw new IllegalStateException(meminfo + " has no MemAvailable line");
    }
}

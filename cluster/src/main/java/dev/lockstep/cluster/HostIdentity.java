// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;

/// Tells hosts apart: processes with the same identity share a kernel, so Unix sockets and shared
/// memory can connect them.
public final class HostIdentity {
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

    private static final String CURRENT = read();

    private HostIdentity() {}

    /// Returns the kernel's boot id; where it cannot be read, the host's name.
    public static String current() {
        return CURRENT;
    }

    private static String read() {
        try {
            return Files.readString(BOOT_ID).strip();
        } catch (IOException e) {
            return hostName();
        }
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (IOException e) {
            throw new IllegalStateException("this host has neither a boot id nor a name", e);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static java.util.Objects.requireNonNull;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;

/// Ports of servers that start later, or again: each is given out once in a run. The system gives
/// them to nobody, neither to a server that asks for any port nor to the end of a connection, so
/// they are still free when the server starts.
public final class ReservedPorts {
    private static final Path SYSTEM_RANGE = Path.of("/proc/sys/net/ipv4/ip_local_port_range");
    private static final int LOWEST = 10_000;
    private static final int PORTS = 65_536;

    /// Where the system keeps nearly all ports for itself.
    private static final int FEWEST = 1_000;

    private static final int FROM;
    private static final int COUNT;
    private static final AtomicInteger TAKEN = new AtomicInteger();

    static {
        String range;
        // At once: a second read of this file finds its end.
        try (BufferedReader file = Files.newBufferedReader(SYSTEM_RANGE)) {
            range = requireNonNull(file.readLine());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        String[] ends = range.split("\\s+", -1);
        int low = Integer.parseInt(ends[0]);
        int high = Integer.parseInt(ends[1]);
        boolean below = low - LOWEST >= FEWEST;
        boolean above = PORTS - 1 - high >= FEWEST;
        FROM = below || !above ? LOWEST : high + 1;
        COUNT = (below ? low : PORTS) - FROM;
        // Runs at the same time begin at different ports.
        TAKEN.set((int) (ProcessHandle.current().pid() * 211 % COUNT));
    }

    private ReservedPorts() {}

    /// Returns a port at which no process listens.
    public static int next() {
        return next(1);
    }

    /// Returns the first of so many consecutive ports at which no process listens.
    public static int next(int consecutive) {
        for (int tries = 0; tries < COUNT; tries++) {
            int first = FROM + Math.floorMod(TAKEN.getAndAdd(consecutive), COUNT);
            if (areFree(first, consecutive)) {
                return first;
            }
        }
        throw new IllegalStateException("no free port from " + FROM + " on");
    }

    private static boolean areFree(int first, int count) {
        boolean free = first + count <= FROM + COUNT;
        for (int port = first; free && port < first + count; port++) {
            free = isFree(port);
        }
        return free;
    }

    private static boolean isFree(int port) {
        try (var _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}

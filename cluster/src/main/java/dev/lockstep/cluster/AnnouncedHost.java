// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Optional;

/// The host that a process announces for a port: the one it listens on, or for all interfaces an
/// address that other hosts can reach.
public final class AnnouncedHost {
    /// An address of documentation, to which nothing is sent: the kernel names the address that it
    /// would send from.
    private static final InetSocketAddress ELSEWHERE = new InetSocketAddress("192.0.2.1", 9);

    private AnnouncedHost() {}

    /// Returns the host to announce.
    ///
    /// @param host a name or an address that this process listens on
    public static String of(String host) throws IOException {
        if (!InetAddress.getByName(host).isAnyLocalAddress()) {
            return host;
        }
        return of(InetAddress.getLocalHost(), routed());
    }

    /// Returns the address of the host's name. Some distributions give the name a loopback address:
    /// then the address from which packets to other hosts leave, if there is a route to them.
    static String of(InetAddress named, Optional<InetAddress> routed) {
        InetAddress address = named.isLoopbackAddress() ? routed.orElse(named) : named;
        return address.getHostAddress();
    }

    private static Optional<InetAddress> routed() {
        try (var socket = new DatagramSocket()) {
            socket.connect(ELSEWHERE);
            return Optional.of(socket.getLocalAddress())
                    .filter(address -> !address.isAnyLocalAddress());
        } catch (IOException | RuntimeException e) {
            // A host without a route has no other host that could reach it.
            return Optional.empty();
        }
    }
}

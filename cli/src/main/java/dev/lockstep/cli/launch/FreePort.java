// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.Key;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;

/// A check before long work: the server that needs the port starts much later.
public final class FreePort {
    private FreePort() {}

    /// Throws if nothing can listen there now; port 0 is any free one.
    ///
    /// @param key the setting that names the host
    public static void require(Key<String> key, String host, int port) {
        var address = new InetSocketAddress(host, port);
        try (var socket = new ServerSocket()) {
            if (address.isUnresolved()) {
                throw new IOException("no such address");
            }
            socket.bind(address);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot listen on %s:%d: %s; choose another --port or --%s"
                            .formatted(host, port, e.getMessage(), key.name()),
                    e);
        }
    }
}

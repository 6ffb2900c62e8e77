// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/// Where other processes reach a member: by TCP, by a Unix socket on its host, or by both.
///
/// @param host name or number of a TCP address; empty for none
/// @param port TCP port, 0 for none
/// @param unixSocket absolute path of a socket that processes of the same host prefer; empty for
///   none
/// @param hostIdentity the [HostIdentity] of the host with the socket; empty for none
public record MemberAddress(String host, int port, String unixSocket, String hostIdentity) {

    /// The longest path of a Unix socket on Linux, in bytes.
    static final int LONGEST_SOCKET_PATH = 107;

    private static final Pattern HOST = Pattern.compile("[A-Za-z0-9._:%-]{1,255}");
    private static final Pattern SOCKET = Pattern.compile("/[^\\p{Cntrl}]*");

    public MemberAddress {
        if (port < 0 || port > 65535) {
            throw new IllegalArgumentException("port " + port + " is outside [0, 65535]");
        }
        if ((port == 0 || host.isEmpty()) && unixSocket.isEmpty()) {
            throw new IllegalArgumentException(
                    "a member needs a host and a port, or a Unix socket");
        }
        if (!host.isEmpty() && !HOST.matcher(host).matches()) {
            throw new IllegalArgumentException("host \"" + host + "\" is not a name or an address");
        }
        if (!unixSocket.isEmpty()) {
            int bytes = unixSocket.getBytes(StandardCharsets.UTF_8).length;
            if (!SOCKET.matcher(unixSocket).matches() || bytes > LONGEST_SOCKET_PATH) {
                throw new IllegalArgumentException(
                        "\"%s\" is not the absolute path of a Unix socket, of at most %d bytes"
                                .formatted(unixSocket, LONGEST_SOCKET_PATH));
            }
        }
    }

    public static MemberAddress tcp(String host, int port) {
        return new MemberAddress(host, port, "", "");
    }

    /// Returns the address of a socket on this host.
    public static MemberAddress unix(Path socket) {
        return new MemberAddress("", 0, socket.toString(), HostIdentity.current());
    }

    /// Returns this address with a Unix socket on this host.
    public MemberAddress andUnix(Path socket) {
        return new MemberAddress(host, port, socket.toString(), HostIdentity.current());
    }

    /// Returns whether this process can use the Unix socket. A container on the same host may have
    /// another file system.
    boolean isOnThisHost() {
        return !unixSocket.isEmpty()
                && hostIdentity.equals(HostIdentity.current())
                && (port == 0 || Files.exists(Path.of(unixSocket)));
    }

    Path socketPath() {
        return Path.of(unixSocket);
    }

    /// Returns `host:port`, or the path of the Unix socket without a port.
    @Override
    public String toString() {
        if (port == 0) {
            return unixSocket;
        }
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }
}

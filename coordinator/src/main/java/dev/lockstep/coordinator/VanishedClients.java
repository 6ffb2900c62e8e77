// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.server.ServerBuilder;
import com.linecorp.armeria.server.ServiceRequestContext;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.epoll.EpollSocketChannelConfig;
import java.time.Duration;

/// Lets the kernel close the connections of clients that are gone without a word, because their
/// host or their network is: so their requests are cancelled. Only where epoll is available.
final class VanishedClients {
    /// The time for which the network may lose all that is sent over HTTP. Longer than the time for
    /// a slow client, which gets an answer. A silent stream has a comment every few seconds.
    private static final Duration HTTP = Duration.ofSeconds(40);

    /// As [#HTTP] over gRPC, whose clients read their connections also when they are slow.
    private static final Duration RPC = Duration.ofSeconds(14);

    /// Silence of a gRPC connection after which the kernel asks the client's.
    private static final Duration PROBE = Duration.ofSeconds(5);

    private VanishedClients() {}

    /// Watches every connection.
    static void watchAll(ServerBuilder builder) {
        if (Epoll.isAvailable()) {
            builder.childChannelOption(EpollChannelOption.TCP_USER_TIMEOUT, (int) HTTP.toMillis());
        }
    }

    /// Watches the connection of a gRPC call more closely from now on.
    static void watchRpc(ServiceRequestContext context) {
        if (context.log().partial().channel() instanceof EpollSocketChannel connection) {
            EpollSocketChannelConfig options = connection.config();
            if (!options.isKeepAlive()) {
                options.setKeepAlive(true)
                        .setTcpKeepIdle((int) PROBE.toSeconds())
                        .setTcpKeepIntvl((int) PROBE.toSeconds())
                        .setTcpUserTimeout((int) RPC.toMillis());
            }
        }
    }
}

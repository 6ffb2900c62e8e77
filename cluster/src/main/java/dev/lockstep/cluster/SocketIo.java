// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.netty.channel.Channel;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The kind of I/O of the processes' connections: epoll where it can be had, since each event of
/// the JDK's selector takes twice as many system calls, else the JDK's.
public final class SocketIo {
    private static final boolean EPOLL = Epoll.isAvailable();

    private SocketIo() {}

    /// Starts the one thread of a process's connections; the caller shuts it down.
    public static EventLoopGroup eventLoop() {
        if (!EPOLL && System.getProperty("os.name", "").startsWith("Linux")) {
            Logger log = LogManager.getLogger(SocketIo.class);
            log.warn(
                    "connections use the JDK's selector, which is slower, because epoll is not available: {}",
                    String.valueOf(Epoll.unavailabilityCause()));
        }
        return new MultiThreadIoEventLoopGroup(
                1, EPOLL ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
    }

    static Class<? extends Channel> tcp() {
        return EPOLL ? EpollSocketChannel.class : NioSocketChannel.class;
    }

    static Class<? extends ServerChannel> tcpServer() {
        return EPOLL ? EpollServerSocketChannel.class : NioServerSocketChannel.class;
    }

    static Class<? extends Channel> unix() {
        return EPOLL ? EpollDomainSocketChannel.class : NioDomainSocketChannel.class;
    }

    static Class<? extends ServerChannel> unixServer() {
        return EPOLL ? EpollServerDomainSocketChannel.class : NioServerDomainSocketChannel.class;
    }

    static Class<? extends SocketAddress> unixAddressType() {
        return EPOLL ? DomainSocketAddress.class : UnixDomainSocketAddress.class;
    }

    static SocketAddress unixAddress(Path socket) {
        return EPOLL
                ? new DomainSocketAddress(socket.toString())
                : UnixDomainSocketAddress.of(socket);
    }
}

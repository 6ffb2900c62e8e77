// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Unix sockets of processes that were killed: the kernel keeps their files.
final class DeadSockets {
    private static final Logger LOG = LogManager.getLogger(DeadSockets.class);

    /// A process that starts has bound its socket a moment before it listens.
    private static final Duration YOUNG = Duration.ofMinutes(1);

    private DeadSockets() {}

    /// Removes the sockets in a folder at which no process listens.
    static void remove(Path folder) {
        Instant limit = Instant.now().minus(YOUNG);
        try (DirectoryStream<Path> sockets = Files.newDirectoryStream(folder, "*.sock")) {
            for (Path socket : sockets) {
                if (Files.getLastModifiedTime(socket).toInstant().isBefore(limit)
                        && isDead(socket)) {
                    Files.deleteIfExists(socket);
                }
            }
        } catch (IOException e) {
            LOG.warn("cannot remove old sockets in {}", folder, e);
        }
    }

    /// Whether no process listens at a socket.
    static boolean isDead(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.configureBlocking(false);
            channel.connect(UnixDomainSocketAddress.of(socket));
            return false;
        } catch (ConnectException e) {
            return true;
        } catch (IOException e) {
            // Such as a full queue: the process is stopped or busy.
            LOG.debug("{} is not known to be dead", socket, e);
            return false;
        }
    }
}

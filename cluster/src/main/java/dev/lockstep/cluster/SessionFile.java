// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The file beside a process's Unix socket that has its ZooKeeper session, for the process that
/// replaces it: when the process was killed, its nodes would stay for a session time-out, and with
/// them its place in an election. Its owner alone may read it.
record SessionFile(Path path) {
    private static final String SUFFIX = ".session";
    private static final String SOCKET = ".sock";
    private static final Logger LOG = LogManager.getLogger(SessionFile.class);

    /// A session: who has both can end it.
    record Session(long id, byte[] password) {}

    static SessionFile beside(Path socket) {
        return new SessionFile(socket.resolveSibling(socket.getFileName() + SUFFIX));
    }

    void write(Session session) throws IOException {
        String line =
                Long.toHexString(session.id()) + " " + HexFormat.of().formatHex(session.password());
        // Only its owner may read a temporary file.
        Path fresh = Files.createTempFile(path.toAbsolutePath().getParent(), "session-", "");
        try {
            Files.writeString(fresh, line, StandardCharsets.US_ASCII);
            Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    void remove() {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            LOG.warn("cannot remove {}", path, e);
        }
    }

    /// Removes the files of processes in this folder at whose socket no process listens any more,
    /// and returns their sessions.
    List<Session> takeDead() {
        List<Session> dead = new ArrayList<>();
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(
                        path.toAbsolutePath().getParent(), "*" + SOCKET + SUFFIX)) {
            for (Path file : files) {
                if (!file.equals(path) && isDead(socketOf(file))) {
                    take(file).ifPresent(dead::add);
                }
            }
        } catch (IOException e) {
            LOG.warn("cannot read the sessions of earlier processes beside {}", path, e);
        }
        return dead;
    }

    private static boolean isDead(Path socket) {
        return !Files.exists(socket) || DeadSockets.isDead(socket);
    }

    private static Path socketOf(Path file) {
        String name = file.getFileName().toString();
        return file.resolveSibling(name.substring(0, name.length() - SUFFIX.length()));
    }

    /// Removes one file and returns its session; empty where another process was faster.
    private static Optional<Session> take(Path file) throws IOException {
        try {
            Optional<Session> session = read(file);
            return Files.deleteIfExists(file) ? session : Optional.empty();
        } catch (NoSuchFileException e) {
            LOG.debug("another process ends the session of {}", file);
            return Optional.empty();
        }
    }

    private static Optional<Session> read(Path file) throws IOException {
        String[] words = Files.readString(file, StandardCharsets.US_ASCII).strip().split(" ", 2);
        try {
            return Optional.of(
                    new Session(
                            Long.parseUnsignedLong(words[0], 16),
                            HexFormat.of().parseHex(words[words.length - 1])));
        } catch (IllegalArgumentException e) {
            LOG.warn("{} is not a session", file);
            return Optional.empty();
        }
    }
}

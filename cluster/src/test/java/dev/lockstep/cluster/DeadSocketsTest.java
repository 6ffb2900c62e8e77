// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeadSocketsTest {
    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path folder;

    @Test
    void anOldSocketAtWhichNoProcessListensIsRemoved() throws IOException {
        listen("killed-1.sock", 1).close();
        age("killed-1.sock");
        listen("starting-1.sock", 1).close();
        Files.createFile(folder.resolve("other.log"));
        age("other.log");
        try (ServerSocketChannel _ = listen("busy-1.sock", 1);
                SocketChannel _ = connect("busy-1.sock");
                SocketChannel _ = connect("busy-1.sock")) {
            age("busy-1.sock");
            DeadSockets.remove(folder);
        }
        assertEquals(List.of("busy-1.sock", "other.log", "starting-1.sock"), names());
    }

    @Test
    void aFolderThatDoesNotExistIsNoError() {
        DeadSockets.remove(folder.resolve("none"));
    }

    private ServerSocketChannel listen(String name, int backlog) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        return server.bind(UnixDomainSocketAddress.of(folder.resolve(name)), backlog);
    }

    private SocketChannel connect(String name) throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve(name)));
    }

    private void age(String name) throws IOException {
        Instant old = Instant.now().minus(Duration.ofMinutes(2));
        Files.setLastModifiedTime(folder.resolve(name), FileTime.from(old));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}

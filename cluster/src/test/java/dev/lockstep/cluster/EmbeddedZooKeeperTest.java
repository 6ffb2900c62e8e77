// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedZooKeeperTest {
    private static final ClusterAccess ACCESS = ClusterAccess.of(ClusterSecret.random());

    @Test
    void aPortInUseIsNamed(@TempDir Path folder) {
        try (EmbeddedZooKeeper first = EmbeddedZooKeeper.start(folder.resolve("a"), 0, ACCESS)) {
            String refusal =
                    assertThrows(
                                    UncheckedIOException.class,
                                    () ->
                                            EmbeddedZooKeeper.start(
                                                    folder.resolve("b"), first.port(), ACCESS))
                            .toString();
            assertTrue(
                    refusal.contains(
                            "cannot listen on "
                                    + first.connectString()
                                    + ": Address already in use"),
                    refusal);
        }
    }

    /// It has the key of the names of blocks.
    @Test
    void theDataFolderIsForItsOwnerAlone(@TempDir Path folder) throws IOException {
        Path data = folder.resolve("data");
        try (EmbeddedZooKeeper server = EmbeddedZooKeeper.start(data, 0, ACCESS)) {
            assertTrue(server.port() > 0);
            assertEquals(
                    "rwx------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(data)));
        }
    }

    @Test
    void aFolderThatCannotBeUsedIsNamed(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        String refusal =
                assertThrows(
                                UncheckedIOException.class,
                                () -> EmbeddedZooKeeper.start(file, 0, ACCESS))
                        .toString();
        assertTrue(refusal.contains("cannot use its data folder " + file), refusal);
    }
}

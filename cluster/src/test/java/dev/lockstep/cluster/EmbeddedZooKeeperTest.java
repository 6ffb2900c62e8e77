// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
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

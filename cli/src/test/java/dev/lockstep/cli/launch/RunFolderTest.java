// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RunFolderTest {
    @TempDir Path folder;

    @Test
    void onlyAnEmptyTemporaryFolderIsRemovedEarly() throws IOException {
        Path used = Files.createDirectory(folder.resolve("used"));
        Files.writeString(used.resolve("launcher.log"), "a line");
        Path chosen = Files.createDirectory(folder.resolve("chosen"));
        Path fresh = Files.createDirectory(folder.resolve("fresh"));
        RunFolder.temporary(used).removeIfEmpty();
        new RunFolder(chosen, false, Optional.empty()).removeIfEmpty();
        RunFolder.temporary(fresh).removeIfEmpty();
        assertTrue(Files.exists(used));
        assertTrue(Files.exists(chosen));
        assertFalse(Files.exists(fresh));
        RunFolder.temporary(fresh).remove();
        RunFolder.temporary(used).remove();
        assertFalse(Files.exists(used));
    }
}

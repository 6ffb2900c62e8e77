// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.FolderLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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

    @Test
    void temporaryFoldersOfKilledProcessesAreRemovedAndNoOthers() throws IOException {
        Path killed = Files.createDirectory(folder.resolve("lockstep-1"));
        Files.writeString(killed.resolve("serve.lock"), "4000000\n");
        Files.writeString(Files.createDirectory(killed.resolve("zookeeper-1")).resolve("log"), "x");
        Path runs = Files.createDirectory(folder.resolve("lockstep-2"));
        Path starts = Files.createDirectory(folder.resolve("lockstep-3"));
        Files.createFile(starts.resolve("serve.lock"));
        Path other = Files.createDirectory(folder.resolve("lockstep-4"));
        Path logs = Files.createDirectory(folder.resolve("lockstep-logs-5"));
        Files.writeString(logs.resolve("serve.lock"), "4000000\n");
        try (FolderLock _ = FolderLock.require("run-folder", runs, "serve")) {
            RunFolder.removeAbandoned(folder);
        }
        assertFalse(Files.exists(killed));
        for (Path left : List.of(runs, starts, other, logs)) {
            assertTrue(Files.exists(left), left::toString);
        }
    }

    @Test
    void aTemporaryFolderWithOnlyItsLockIsRemovedEarly() throws IOException {
        Path fresh = Files.createDirectory(folder.resolve("lockstep-1"));
        FolderLock lock = FolderLock.require("run-folder", fresh, "serve");
        new RunFolder(fresh, true, Optional.of(lock)).removeIfEmpty();
        assertFalse(Files.exists(fresh));
    }
}

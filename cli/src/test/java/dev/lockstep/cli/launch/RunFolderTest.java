// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.FolderLock;
import dev.lockstep.cluster.process.OwnerOnly;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
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
        Path fresh = temporary("lockstep-run-0");
        Path killed = abandoned("lockstep-run-1");
        Files.writeString(Files.createDirectory(killed.resolve("zookeeper-1")).resolve("log"), "x");
        Path runs = temporary("lockstep-run-2");
        Path starts = temporary("lockstep-run-3");
        Files.createFile(starts.resolve("serve.lock"));
        Path other = temporary("lockstep-run-4");
        Path named = abandoned("lockstep-8000");
        Path namedByTime = abandoned("lockstep-1764414245123456789");
        Path logs = abandoned("lockstep-logs-5");
        try (FolderLock _ = FolderLock.require("run-folder", runs, "serve")) {
            RunFolder.removeAbandonedBeside(fresh);
        }
        assertFalse(Files.exists(killed));
        for (Path left : List.of(fresh, runs, starts, other, named, namedByTime, logs)) {
            assertTrue(Files.exists(left), left::toString);
        }
    }

    @Test
    void aFolderThatOthersMayWriteToIsNotTouched() throws IOException {
        Path open = abandoned("lockstep-run-1");
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path elsewhere = abandoned("elsewhere");
        Path link = Files.createSymbolicLink(folder.resolve("lockstep-run-2"), elsewhere);
        RunFolder.removeAbandonedBeside(temporary("lockstep-run-0"));
        assertEquals("4000000\n", Files.readString(open.resolve("serve.lock")));
        assertEquals("4000000\n", Files.readString(link.resolve("serve.lock")));
    }

    @Test
    void aLockThatIsALinkIsNotFollowed() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "of the user");
        Path linked = temporary("lockstep-run-1");
        Path lock = Files.createSymbolicLink(linked.resolve("serve.lock"), file);
        RunFolder.removeAbandonedBeside(temporary("lockstep-run-0"));
        assertTrue(Files.exists(lock));
        assertThrows(IOException.class, () -> FolderLock.tryTake(lock));
        assertEquals("of the user", Files.readString(file));
    }

    @Test
    void aTemporaryFolderWithOnlyItsLockIsRemovedEarly() throws IOException {
        Path fresh = Files.createDirectory(folder.resolve("lockstep-1"));
        FolderLock lock = FolderLock.require("run-folder", fresh, "serve");
        new RunFolder(fresh, true, Optional.of(lock)).removeIfEmpty();
        assertFalse(Files.exists(fresh));
    }

    private Path temporary(String name) throws IOException {
        return Files.createDirectory(folder.resolve(name), OwnerOnly.FOLDER);
    }

    /// Returns the folder of a process that was killed.
    private Path abandoned(String name) throws IOException {
        Path made = temporary(name);
        Files.writeString(made.resolve("serve.lock"), "4000000\n");
        return made;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import java.lang.ref.Cleaner;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FolderLockTest {
    @TempDir Path folder;

    @Test
    void aFolderThatAnotherProcessUsesIsRefusedByName() {
        try (FolderLock _ = FolderLock.require("run-folder", folder, "serve");
                FolderLock _ = FolderLock.require("run-folder", folder, "worker-a-0")) {
            SettingsException refusal =
                    assertThrows(
                            SettingsException.class,
                            () -> FolderLock.require("run-folder", folder, "serve", Duration.ZERO));
            assertEquals(
                    "--run-folder: %s is used by another serve (process %d): name another folder"
                            .formatted(folder, ProcessHandle.current().pid()),
                    refusal.getMessage());
        }
        FolderLock.require("run-folder", folder, "serve").close();
    }

    @Test
    void aLockLastsThoughNothingRefersToItAndThisProcessAsksAgain() throws Exception {
        Path file = folder.resolve("run.lock");
        assertTrue(FolderLock.tryTake(file).isPresent());
        awaitLocked(file);
        for (int i = 0; i < 3; i++) {
            collectGarbage();
        }
        awaitLocked(file);
        assertEquals(Optional.empty(), FolderLock.tryTake(file));
        assertThrows(
                SettingsException.class,
                () -> FolderLock.require("run-folder", folder, "run", Duration.ZERO));
        awaitLocked(file);
    }

    /// Other processes take and release locks while the kernel lists them, and a line may be
    /// missing.
    private static void awaitLocked(Path file) throws Exception {
        Eventually.await("the lock lasts", () -> isLocked(file));
    }

    /// Returns whether the kernel lists a lock of this process on a file.
    private static boolean isLocked(Path file) throws Exception {
        String process = " " + ProcessHandle.current().pid() + " ";
        String inode = ":" + Files.getAttribute(file, "unix:ino") + " ";
        return Files.readAllLines(Path.of("/proc/locks")).stream()
                .anyMatch(line -> line.contains(process) && line.contains(inode));
    }

    private static void collectGarbage() throws Exception {
        var collected = new CountDownLatch(1);
        Cleaner.create().register(new Object(), collected::countDown);
        System.gc();
        assertTrue(collected.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS));
    }
}

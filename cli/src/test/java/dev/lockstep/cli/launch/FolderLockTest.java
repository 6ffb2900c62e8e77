// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.SettingsException;
import java.nio.file.Path;
import java.time.Duration;
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
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/// The common set-up of tests of a worker on the tiny model: one worker per test class.
abstract class TinyWorkerSetting {
    @TempDir static Path folder;
    static TestWorker worker;

    @BeforeAll
    static void load() throws IOException {
        worker = TestWorker.onTinyModel(folder);
    }

    @AfterAll
    static void unload() {
        worker.close();
    }

    /// Starts a server for the worker.
    static ServedWorker serve() {
        return new ServedWorker(worker, folder, "");
    }
}

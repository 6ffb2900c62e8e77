package dev.lockstep.worker;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/// What tests of a worker on the tiny model begin and end with: one worker a class.
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

    /// The worker behind a server, to talk to as a scheduler does.
    static ServedWorker serve() {
        return new ServedWorker(worker, folder, "");
    }
}

package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/// Recorded reference outputs, kept beside the project; tests that need them are skipped aloud
/// where they are not.
final class Fixtures {
    private Fixtures() {}

    /// A file or folder of the fixtures; skips the test, or fails it when `CI=true`, where it is
    /// absent.
    static Path require(String name) {
        Path path = Path.of(System.getProperty("lockstep.fixtures", "fixtures")).resolve(name);
        if (!Files.exists(path)) {
            String message = "skipped: no fixture at " + path;
            System.out.println(message);
            assertTrue(!"true".equals(System.getenv("CI")), message);
            assumeTrue(false, message);
        }
        return path;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/// Recorded reference outputs, kept outside the project; without them the tests that need them
/// print a line and are skipped.
final class Fixtures {
    private Fixtures() {}

    /// Returns a file or folder of the fixtures; if it is absent, skips the test, or fails it when
    /// `CI=true`.
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

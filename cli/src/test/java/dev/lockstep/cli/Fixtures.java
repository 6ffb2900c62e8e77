// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/// Finds recorded files; a test whose files are missing prints a line and is skipped, or fails in
/// CI.
final class Fixtures {
    private Fixtures() {}

    /// Returns the path of a fixture; aborts the test if it is missing.
    static Path require(String relative) {
        Path path =
                Path.of(System.getProperty("lockstep.fixtures", "../../shared/fixtures"))
                        .resolve(relative);
        boolean found = Files.exists(path);
        if (!found) {
            String reason = "the fixture " + relative + " is not at -Dlockstep.fixtures";
            System.out.println("skipped: " + reason);
            if ("true".equals(System.getenv("CI"))) {
                throw new AssertionError(reason);
            }
            Assumptions.abort(reason);
        }
        return path;
    }
}

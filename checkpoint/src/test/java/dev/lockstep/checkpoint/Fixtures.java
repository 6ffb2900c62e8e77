// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.fail;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/// The folder of the shared fixtures. Without a fixture a test prints a line and is skipped, or
/// fails with `CI=true`.
final class Fixtures {
    private Fixtures() {}

    static Path path(String relative) {
        Path path = Path.of(System.getProperty("lockstep.fixtures", "shared/fixtures"), relative);
        if (!Files.exists(path)) {
            String line = "skipped: fixture " + path + " is missing";
            System.out.println(line);
            if ("true".equals(System.getenv("CI"))) {
                fail(line);
            }
            Assumptions.abort(line);
        }
        return path;
    }
}

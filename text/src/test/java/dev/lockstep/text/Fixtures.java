// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/// The location of recorded files; a test without its files is skipped with a line, or fails in CI.
final class Fixtures {
    private static final String MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf";

    private Fixtures() {}

    static Path require(String relative) {
        Path path =
                Path.of(System.getProperty("lockstep.fixtures", "../../shared/fixtures"))
                        .resolve(relative);
        return require(path, "the fixture " + relative + " is not at -Dlockstep.fixtures");
    }

    /// Returns the default model's file: `-Dlockstep.smollm2`, otherwise in the cache folder that
    /// `lockstep serve` fills.
    static Path requireSmolLm2() {
        Path cache =
                Optional.ofNullable(System.getenv("XDG_CACHE_HOME"))
                        .map(Path::of)
                        .orElse(Path.of(System.getProperty("user.home"), ".cache"));
        String given = System.getProperty("lockstep.smollm2");
        return require(
                given != null
                        ? Path.of(given)
                        : cache.resolve("lockstep/models/smollm2-135m-instruct")
                                .resolve(MODEL_FILE),
                MODEL_FILE + " is neither at -Dlockstep.smollm2 nor in the cache folder");
    }

    private static Path require(Path path, String reason) {
        boolean found = Files.exists(path);
        if (!found) {
            System.out.println("skipped: " + reason);
            if ("true".equals(System.getenv("CI"))) {
                throw new AssertionError(reason);
            }
        }
        Assumptions.assumeTrue(found, reason);
        return path;
    }
}

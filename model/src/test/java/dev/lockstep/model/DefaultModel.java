// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/// The default model's file in the user's cache, to which `lockstep` downloads it on first use.
final class DefaultModel {
    private static final String PLACE =
            "lockstep/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

    private DefaultModel() {}

    /// Returns the file; if it is absent, skips the test, or fails it when `CI=true`.
    static Path require() {
        String cache = System.getenv("XDG_CACHE_HOME");
        Path base =
                cache == null || cache.isEmpty()
                        ? Path.of(System.getProperty("user.home"), ".cache")
                        : Path.of(cache);
        Path path = base.resolve(PLACE);
        if (!Files.exists(path)) {
            String message =
                    "skipped: no default model at "
                            + path
                            + " (scripts/lockstep models --fetch=smollm2-135m-instruct)";
            System.out.println(message);
            assertTrue(!"true".equals(System.getenv("CI")), message);
            assumeTrue(false, message);
        }
        return path;
    }
}

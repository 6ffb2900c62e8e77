// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.fail;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/// Models and recorded reference outputs outside the project. A test that requires an absent one
/// prints a line and is skipped, or fails when `CI=true`.
public final class Fixtures {
    private static final String DEFAULT_MODEL =
            "lockstep/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

    private Fixtures() {}

    /// Returns a file or folder below `-Dlockstep.fixtures`, if it exists.
    public static Optional<Path> find(String name) {
        return Optional.of(path(name)).filter(Files::exists);
    }

    /// Returns a file or folder below `-Dlockstep.fixtures`.
    public static Path require(String name) {
        return require(path(name), "fixture " + path(name) + " is missing");
    }

    /// Returns the default model's file in the user's cache, to which `lockstep` downloads it on
    /// first use.
    public static Path requireDefaultModel() {
        String cache = System.getenv("XDG_CACHE_HOME");
        Path base =
                cache == null || cache.isEmpty()
                        ? Path.of(System.getProperty("user.home"), ".cache")
                        : Path.of(cache);
        Path model = base.resolve(DEFAULT_MODEL);
        return require(
                model,
                "no default model at "
                        + model
                        + ", run scripts/lockstep models --fetch smollm2-135m-instruct");
    }

    private static Path path(String name) {
        return Path.of(System.getProperty("lockstep.fixtures", "../../shared/fixtures"), name);
    }

    private static Path require(Path path, String reason) {
        if (!Files.exists(path)) {
            System.out.println("skipped: " + reason);
            if ("true".equals(System.getenv("CI"))) {
                fail(reason);
            }
            Assumptions.abort(reason);
        }
        return path;
    }
}

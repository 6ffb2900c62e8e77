// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// The models of the tests.
final class Models {
    private static final String DEFAULT_MODEL =
            "lockstep/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

    private Models() {}

    /// Writes a tiny random model into the sandbox.
    ///
    /// @param seed determines the weights
    static Path tiny(Sandbox sandbox, long seed) {
        try {
            Path folder = sandbox.folder().resolve("tiny-" + seed);
            TinyCheckpoint.write(folder, seed);
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Returns a file or folder of the recorded outputs, if it exists.
    static Optional<Path> fixture(String name) {
        Path path = Path.of(System.getProperty("lockstep.fixtures", "fixtures")).resolve(name);
        return Optional.of(path).filter(Files::exists);
    }

    /// Returns a fixture; without it skips the test, or fails it when `CI=true`.
    static Path requireFixture(String name) {
        return fixture(name).orElseGet(() -> absent("no fixture " + name));
    }

    /// Returns the default model in the user's cache; without it skips the test, or fails it when
    /// `CI=true`.
    static Path requireDefault() {
        String cache = System.getenv("XDG_CACHE_HOME");
        Path base =
                cache == null || cache.isEmpty()
                        ? Path.of(System.getProperty("user.home"), ".cache")
                        : Path.of(cache);
        Path path = base.resolve(DEFAULT_MODEL);
        return Files.exists(path)
                ? path
                : absent(
                        "no default model at "
                                + path
                                + ", run scripts/lockstep models --fetch smollm2-135m-instruct");
    }

    private static Path absent(String reason) {
        System.out.println("skipped: " + reason);
        assertTrue(!"true".equals(System.getenv("CI")), reason);
        assumeTrue(false, reason);
        throw new IllegalStateException(reason);
    }
}

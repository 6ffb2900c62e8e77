package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Where the models of the tests come from.
final class Models {
    private static final String DEFAULT_MODEL =
            "lockstep/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

    private Models() {}

    /// A tiny random model, written into the sandbox.
    ///
    /// @param seed another one, another model
    static Path tiny(Sandbox sandbox, long seed) {
        try {
            Path folder = sandbox.folder().resolve("tiny-" + seed);
            TinyCheckpoint.write(folder, seed);
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// A file or folder of the recorded outputs, where they are.
    static Optional<Path> fixture(String name) {
        Path path = Path.of(System.getProperty("lockstep.fixtures", "fixtures")).resolve(name);
        return Optional.of(path).filter(Files::exists);
    }

    /// As [#fixture]; skips the test, or fails it when `CI=true`, where there is none.
    static Path requireFixture(String name) {
        return fixture(name).orElseGet(() -> absent("no fixture " + name));
    }

    /// The default model in the user's cache; skips the test, or fails it when `CI=true`, where it
    /// is absent.
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
                                + ", scripts/lockstep models --fetch smollm2-135m-instruct gets it");
    }

    private static Path absent(String why) {
        System.out.println("skipped: " + why);
        assertTrue(!"true".equals(System.getenv("CI")), why);
        assumeTrue(false, why);
        throw new IllegalStateException(why);
    }
}

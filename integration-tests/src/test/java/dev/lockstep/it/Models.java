// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/// The models of the tests.
final class Models {
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
}

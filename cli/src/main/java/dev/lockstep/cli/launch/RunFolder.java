// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

/// The folder of a host's logs and Unix sockets: the one a setting names, or a private temporary
/// folder, which is removed at the end.
record RunFolder(Path path, boolean temporary) {

    /// Creates the folder if it does not exist.
    ///
    /// @param key the setting that may name the folder
    static RunFolder of(Settings settings, Key<String> key) {
        Optional<String> chosen = settings.find(key);
        try {
            if (chosen.isPresent()) {
                Path path = Path.of(chosen.get()).toAbsolutePath().normalize();
                Files.createDirectories(path);
                return new RunFolder(path, false);
            }
            // Short: the path of a Unix socket has at most 107 bytes.
            return new RunFolder(
                    Files.createTempDirectory(
                            "lockstep-",
                            PosixFilePermissions.asFileAttribute(
                                    PosixFilePermissions.fromString("rwx------"))),
                    true);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "--%s: cannot make %s"
                            .formatted(key.name(), chosen.orElse("a temporary folder")),
                    e);
        }
    }

    /// Makes this process write its log to the folder, too; must precede the first log line.
    RunFolder withLogOf(String process) {
        System.setProperty("lockstep.run", path.toString());
        System.setProperty("lockstep.process", process);
        return this;
    }

    /// Removes the folder if it is temporary and empty.
    void removeIfEmpty() {
        if (temporary) {
            // A folder with files is not deleted, which is not an error.
            var _ = path.toFile().delete();
        }
    }

    /// Removes the folder with its files if it is temporary.
    void remove() {
        if (!temporary || Files.notExists(path)) {
            return;
        }
        try (Stream<Path> files = Files.walk(path)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException | UncheckedIOException e) {
            System.err.println("lockstep: " + path + " could not be removed: " + e.getMessage());
        }
    }
}

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

/// Where a host's processes keep logs and Unix sockets: the user's choice, or a private folder that
/// is made and, when all went well, removed.
record RunFolder(Path path, boolean temporary) {

    /// @param key names the user's choice
    static RunFolder of(Settings settings, Key<String> key) {
        Optional<String> chosen = settings.find(key);
        try {
            if (chosen.isPresent()) {
                Path path = Path.of(chosen.get()).toAbsolutePath().normalize();
                Files.createDirectories(path);
                return new RunFolder(path, false);
            }
            // Short, for a Unix socket's path may have 107 bytes.
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

    /// Sends this process's log there, too; before anything is logged.
    RunFolder withLogOf(String process) {
        System.setProperty("lockstep.run", path.toString());
        System.setProperty("lockstep.process", process);
        return this;
    }

    /// Removes a temporary folder in which nothing is yet.
    void removeIfEmpty() {
        if (temporary) {
            // What is not empty is not deleted, and that is no error.
            var _ = path.toFile().delete();
        }
    }

    /// Removes a temporary folder with all that is in it.
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

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.FolderLock;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.OwnerOnly;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.UserPrincipal;
import java.util.Comparator;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/// The folder of a host's Unix sockets and of its embedded ZooKeeper: the one a setting names,
/// which has the logs too, or a private temporary folder, which is removed at the end, or by a
/// later process. It is locked.
record RunFolder(Path path, boolean temporary, Optional<FolderLock> lock) {
    /// Folders that users name begin otherwise: these are removed when their lock is abandoned.
    private static final String TEMPORARY = "lockstep-run-";

    /// Creates the folder if it does not exist.
    ///
    /// @param key the setting that may name the folder
    /// @param use what one process at a time uses it for, the name of its lock
    static RunFolder of(Settings settings, Key<String> key, String use) {
        Optional<String> chosen = settings.find(key);
        try {
            if (chosen.isPresent()) {
                Path path = chosen(chosen.get());
                Files.createDirectories(path);
                return new RunFolder(
                        path, false, Optional.of(FolderLock.require(key.name(), path, use)));
            }
            // Short: the path of a Unix socket has at most 107 bytes.
            Path fresh = Files.createTempDirectory(TEMPORARY, OwnerOnly.FOLDER);
            removeAbandonedBeside(fresh);
            return new RunFolder(
                    fresh, true, Optional.of(FolderLock.require(key.name(), fresh, use)));
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "--%s: cannot make %s"
                            .formatted(key.name(), chosen.orElse("a temporary folder")),
                    e);
        }
    }

    /// Removes the temporary folders of processes of this user that were killed.
    ///
    /// @param fresh a folder that this process has just created
    static void removeAbandonedBeside(Path fresh) {
        Path parent = Objects.requireNonNull(fresh.getParent());
        try (DirectoryStream<Path> folders =
                Files.newDirectoryStream(parent, TEMPORARY + "[0-9]*")) {
            UserPrincipal user = attributes(fresh).owner();
            for (Path folder : folders) {
                if (isPrivate(folder, user) && isAbandoned(folder)) {
                    delete(folder);
                }
            }
        } catch (IOException | UncheckedIOException e) {
            // A later process tries again.
        }
    }

    /// Whether only this user can have put files into a folder.
    private static boolean isPrivate(Path folder, UserPrincipal user) {
        try {
            PosixFileAttributes found = attributes(folder);
            return found.isDirectory()
                    && found.owner().equals(user)
                    && found.permissions().equals(OwnerOnly.FOLDER.value());
        } catch (IOException e) {
            // Another process has removed it.
            return false;
        }
    }

    private static PosixFileAttributes attributes(Path path) throws IOException {
        return Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    }

    private static boolean isAbandoned(Path folder) {
        try (DirectoryStream<Path> locks =
                Files.newDirectoryStream(folder, "*" + FolderLock.SUFFIX)) {
            boolean found = false;
            for (Path lock : locks) {
                if (!FolderLock.isAbandoned(lock)) {
                    return false;
                }
                found = true;
            }
            return found;
        } catch (IOException | DirectoryIteratorException e) {
            // Another process removes it.
            return false;
        }
    }

    static Path chosen(String text) {
        try {
            return Path.of(text).toAbsolutePath().normalize();
        } catch (InvalidPathException e) {
            // With the locale "C", a JVM reads only ASCII names.
            throw new SettingsException(
                    "--%s: \"%s\" is no path in this locale (%s): set LC_ALL=C.UTF-8"
                            .formatted(
                                    ProcessKeys.RUN_FOLDER.name(),
                                    text,
                                    System.getProperty("sun.jnu.encoding")));
        }
    }

    /// Returns a folder that is removed at the end.
    static RunFolder temporary(Path path) {
        return new RunFolder(path, true, Optional.empty());
    }

    /// Removes the folder if it is temporary and has no file but its lock.
    void removeIfEmpty() {
        if (!temporary) {
            return;
        }
        try (Stream<Path> files = Files.list(path)) {
            if (files.allMatch(file -> file.toString().endsWith(FolderLock.SUFFIX))) {
                remove();
            }
        } catch (IOException e) {
            // Then it stays.
        }
    }

    /// Removes the folder with its files if it is temporary, then releases its lock: until then no
    /// other process removes the folder as an abandoned one.
    void remove() {
        try {
            if (temporary && Files.exists(path)) {
                delete(path);
            }
        } catch (IOException | UncheckedIOException e) {
            System.err.println("lockstep: " + path + " could not be removed: " + e.getMessage());
        } finally {
            lock.ifPresent(FolderLock::close);
        }
    }

    /// Deletes a folder with its files.
    static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}

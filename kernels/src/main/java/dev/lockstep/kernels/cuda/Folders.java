// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Folders of a host; one that cannot be read counts as empty.
final class Folders {

    private Folders() {}

    /// Makes a folder, and those it lies in, that nobody but this user can write code to.
    static void createPrivate(Path folder) throws IOException {
        Files.createDirectories(
                folder,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    /// Returns the entries of `folder` whose names match `glob`, sorted by name.
    static List<Path> matching(Path folder, String glob) {
        var entries = new ArrayList<Path>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, glob)) {
                stream.forEach(entries::add);
            } catch (IOException unreadable) {
                return List.of();
            }
        }
        entries.sort(null);
        return entries;
    }

    /// Returns the folders that the loader's configuration `file` and those it includes name.
    static List<Path> ofLoader(Path root, Path file) {
        var folders = new ArrayList<Path>();
        read(root, file, new HashSet<>(), folders);
        return folders;
    }

    private static void read(Path root, Path file, Set<Path> seen, List<Path> folders) {
        if (!Files.isRegularFile(file) || !seen.add(file)) {
            return;
        }
        List<String> lines;
        try {
            lines = Files.readAllLines(file, ISO_8859_1);
        } catch (IOException unreadable) {
            return;
        }
        for (String line : lines) {
            String entry = line.replaceFirst("#.*", "").strip();
            if (entry.startsWith("include ")) {
                Path pattern = inside(root, entry.substring("include ".length()).strip());
                Path folder = pattern.getParent();
                if (folder != null) {
                    String glob = pattern.toString().substring(folder.toString().length() + 1);
                    matching(folder, glob).forEach(next -> read(root, next, seen, folders));
                }
            } else if (entry.startsWith("/")) {
                folders.add(inside(root, entry));
            }
        }
    }

    private static Path inside(Path root, String path) {
        return root.resolve(path.startsWith("/") ? path.substring(1) : "etc/" + path);
    }
}

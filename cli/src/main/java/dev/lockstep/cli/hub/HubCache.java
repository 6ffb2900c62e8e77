// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// The folder of one model in the cache that the hub's clients share: `blobs/` by hash, `refs/`
/// from names to commits, `snapshots/<commit>/` with relative links to blobs.
///
/// Files are linked when all files of the download are present and checked, so a snapshot of this
/// class is complete. Writers hold [CacheLock].
final class HubCache {
    private final Path folder;
    private final Path locks;

    HubCache(Path cache, HubName model) {
        String name = "models--%s--%s".formatted(model.organization(), model.name());
        this.folder = cache.resolve(name);
        this.locks = cache.resolve(".locks").resolve(name);
    }

    /// Returns the file of the [CacheLock] that a download holds.
    Path lockFile() {
        return locks.resolve("lockstep.lock");
    }

    Path blobs() {
        return folder.resolve("blobs");
    }

    Path blob(String hash) {
        return blobs().resolve(hash);
    }

    /// Returns whether a blob exists and has the size.
    ///
    /// @param bytes negative if unknown
    boolean hasBlob(String hash, long bytes) throws IOException {
        return Files.isRegularFile(blob(hash)) && (bytes < 0 || Files.size(blob(hash)) == bytes);
    }

    /// Returns the file with the received part of a blob.
    Path incomplete(String hash) {
        return blobs().resolve(hash + ".incomplete");
    }

    Path snapshot(String commit) {
        return folder.resolve("snapshots").resolve(commit);
    }

    /// Returns whether a snapshot has this file.
    boolean has(String commit, String name) {
        return Files.isRegularFile(snapshot(commit).resolve(name));
    }

    /// Returns the commit of a revision at its last download.
    Optional<String> commit(HubName model) throws IOException {
        if (model.isCommit()) {
            return Optional.of(model.revision()).filter(it -> Files.isDirectory(snapshot(it)));
        }
        Path ref = ref(model);
        return Files.isRegularFile(ref)
                ? Optional.of(Files.readString(ref).strip())
                : Optional.empty();
    }

    /// Returns the names of the files of a snapshot.
    List<String> files(String commit) throws IOException {
        Path snapshot = snapshot(commit);
        if (!Files.isDirectory(snapshot)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(snapshot)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> snapshot.relativize(file).toString())
                    .toList();
        }
    }

    /// Links a blob into a snapshot.
    void link(String commit, String name, String hash) throws IOException {
        Path link = snapshot(commit).resolve(name);
        Path parent = link.resolve("..").normalize();
        Files.createDirectories(parent);
        Path fresh = link.resolveSibling(link.getFileName() + ".link");
        Files.deleteIfExists(fresh);
        Files.createSymbolicLink(fresh, parent.relativize(blob(hash)));
        Files.move(fresh, link, StandardCopyOption.ATOMIC_MOVE);
    }

    /// Records the commit of a revision.
    void writeRef(HubName model, String commit) throws IOException {
        if (!model.isCommit() && !commit(model).equals(Optional.of(commit))) {
            Path ref = ref(model);
            Files.createDirectories(ref.resolve("..").normalize());
            Path fresh = ref.resolveSibling(ref.getFileName() + ".new");
            Files.writeString(fresh, commit);
            Files.move(fresh, ref, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    private Path ref(HubName model) {
        return folder.resolve("refs").resolve(model.revision());
    }
}

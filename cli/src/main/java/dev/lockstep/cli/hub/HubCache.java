package dev.lockstep.cli.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// One model's folder in the cache that the hub's clients share: `blobs/` by hash, `refs/` from
/// names to commits, `snapshots/<commit>/` with relative links to blobs.
///
/// A file is linked when all that were wanted with it are there and checked, so a snapshot of ours
/// is whole. Written under [CacheLock].
final class HubCache {
    private final Path folder;
    private final Path locks;

    HubCache(Path cache, HubName model) {
        String name = "models--%s--%s".formatted(model.organization(), model.name());
        this.folder = cache.resolve(name);
        this.locks = cache.resolve(".locks").resolve(name);
    }

    /// Held by whoever downloads.
    Path lockFile() {
        return locks.resolve("lockstep.lock");
    }

    Path blobs() {
        return folder.resolve("blobs");
    }

    Path blob(String hash) {
        return blobs().resolve(hash);
    }

    /// @param bytes negative when unknown
    boolean hasBlob(String hash, long bytes) throws IOException {
        return Files.isRegularFile(blob(hash)) && (bytes < 0 || Files.size(blob(hash)) == bytes);
    }

    /// What has been received of a blob so far.
    Path incomplete(String hash) {
        return blobs().resolve(hash + ".incomplete");
    }

    Path snapshot(String commit) {
        return folder.resolve("snapshots").resolve(commit);
    }

    /// Whether a snapshot has this file.
    boolean has(String commit, String name) {
        return Files.isRegularFile(snapshot(commit).resolve(name));
    }

    /// The commit that a revision was when it was last downloaded.
    Optional<String> commit(HubName model) throws IOException {
        if (model.isCommit()) {
            return Optional.of(model.revision()).filter(it -> Files.isDirectory(snapshot(it)));
        }
        Path ref = ref(model);
        return Files.isRegularFile(ref)
                ? Optional.of(Files.readString(ref).strip())
                : Optional.empty();
    }

    /// Names of the files of a snapshot.
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

    /// Puts a blob into a snapshot.
    void link(String commit, String name, String hash) throws IOException {
        Path link = snapshot(commit).resolve(name);
        Path parent = link.resolve("..").normalize();
        Files.createDirectories(parent);
        Path fresh = link.resolveSibling(link.getFileName() + ".link");
        Files.deleteIfExists(fresh);
        Files.createSymbolicLink(fresh, parent.relativize(blob(hash)));
        Files.move(fresh, link, StandardCopyOption.ATOMIC_MOVE);
    }

    /// Keeps which commit a revision is.
    void keep(HubName model, String commit) throws IOException {
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

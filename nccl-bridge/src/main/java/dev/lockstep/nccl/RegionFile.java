// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;

/// The file of a region, which exists only while the group forms: readable only by its owner, and
/// removed by [Formation] before the first collective.
final class RegionFile {
    private static final int FILL_BYTES = 1 << 20;

    private RegionFile() {}

    /// Creates the region and opens it to the other ranks. First removes the files in the folder of
    /// groups that were killed while they formed.
    static SharedRegion create(Path path, RegionLayout layout, long epoch) throws IOException {
        removeLeftovers(path);
        try (FileChannel file = createNew(path)) {
            try {
                requireSpace(path, layout.totalBytes());
                write(path, file, new RegionHeader(layout, epoch, ProcessIdentity.own(), false));
                var region = new SharedRegion(file, layout);
                region.writeInt(RegionLayout.STAGE, RegionHeader.OPEN);
                return region;
            } catch (IOException | RuntimeException e) {
                Files.deleteIfExists(path);
                throw e;
            }
        }
    }

    private static FileChannel createNew(Path path) throws IOException {
        Set<OpenOption> options =
                Set.of(
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
        try {
            return FileChannel.open(
                    path,
                    options,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
        } catch (FileAlreadyExistsException e) {
            throw new RendezvousException(
                    "%s exists: another rank 0 forms the same group, or the name was used before"
                            .formatted(path),
                    e);
        }
    }

    private static void requireSpace(Path path, long needed) throws IOException {
        long available = Files.getFileStore(path).getUsableSpace();
        if (available < needed) {
            throw new OutOfSharedMemoryException(
                    "%s has %d bytes free, the group needs %d: enlarge it (containers: --shm-size) or lower --max-num-batched-tokens or --max-num-seqs"
                            .formatted(path.getParent(), available, needed));
        }
    }

    /// Writes a whole region. Another process may have taken the space since it was checked.
    static void write(Path path, FileChannel file, RegionHeader header) throws IOException {
        long needed = header.layout().totalBytes();
        try {
            header.write(file);
            fill(file, needed);
        } catch (IOException e) {
            requireSpace(path, needed - file.size());
            throw e;
        }
    }

    /// Allocates every page now: memory that runs out later is a SIGBUS.
    private static void fill(FileChannel file, long needed) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(FILL_BYTES);
        long at = RegionLayout.HEADER_BYTES;
        while (at < needed) {
            zeros.clear().limit((int) Math.min(FILL_BYTES, needed - at));
            at += file.write(zeros, at);
        }
    }

    private static void removeLeftovers(Path path) throws IOException {
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(path.resolveSibling(""), Rendezvous.PREFIX + "*")) {
            for (Path file : files) {
                removeIfLeftover(file);
            }
        }
    }

    private static void removeIfLeftover(Path path) {
        try (FileChannel file =
                FileChannel.open(path, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
            Optional<RegionHeader> header = RegionHeader.read(file);
            boolean left =
                    header.isPresent()
                            ? header.get().creator().isGone()
                            : file.size() == 0 && isOld(path);
            if (left) {
                Files.deleteIfExists(path);
            }
        } catch (IOException | IllegalArgumentException e) {
            // The file of another user, of another kind, or removed meanwhile: leave it alone.
        }
    }

    /// Returns whether a file is older than a minute: a creator writes its header a moment after it
    /// created the file, unless it is killed then.
    private static boolean isOld(Path path) throws IOException {
        Instant minuteAgo = Instant.now().minusSeconds(60);
        return Files.getLastModifiedTime(path).toInstant().isBefore(minuteAgo);
    }

    /// Returns the header once its creator has opened the file to others; empty until then.
    static Optional<RegionHeader> tryRead(Path path) throws IOException {
        try (FileChannel file = openExisting(path)) {
            return RegionHeader.read(file)
                    .filter(header -> header.isOpen() && !header.creator().isGone());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    static SharedRegion map(Path path, RegionLayout layout) throws IOException {
        try (FileChannel file = openExisting(path)) {
            requireOwnUser(path);
            return new SharedRegion(file, layout);
        }
    }

    private static FileChannel openExisting(Path path) throws IOException {
        return FileChannel.open(
                path, StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
    }

    private static void requireOwnUser(Path path) throws IOException {
        Object owner = Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS);
        Object self = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        if (!owner.equals(self)) {
            throw new RendezvousException(
                    "%s belongs to user %s, this process runs as user %s"
                            .formatted(path, owner, self));
        }
    }
}

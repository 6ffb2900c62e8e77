// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/// A folder that only its owner can read, and its files.
final class FolderDisk implements JournalDisk {
    private static final Set<PosixFilePermission> OF_OTHERS =
            EnumSet.of(
                    PosixFilePermission.GROUP_READ,
                    PosixFilePermission.GROUP_WRITE,
                    PosixFilePermission.GROUP_EXECUTE,
                    PosixFilePermission.OTHERS_READ,
                    PosixFilePermission.OTHERS_WRITE,
                    PosixFilePermission.OTHERS_EXECUTE);

    static final Failpoint BEFORE_SYNC = new Failpoint("coordinator.before-journal-sync");
    static final Failpoint AFTER_SYNC = new Failpoint("coordinator.after-journal-sync");

    private final Path folder;
    private final Failpoints failpoints;

    /// Creates the folder if it does not exist.
    ///
    /// @throws IOException also if others have access to it
    FolderDisk(Path folder, Failpoints failpoints) throws IOException {
        this.folder = folder;
        this.failpoints = failpoints;
        Files.createDirectories(folder, OwnerOnly.FOLDER);
        for (PosixFilePermission permission : Files.getPosixFilePermissions(folder)) {
            if (OF_OTHERS.contains(permission)) {
                throw new IOException(
                        "other users have access to it (%s): it must have mode 0700"
                                .formatted(permission));
            }
        }
    }

    @Override
    public List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Override
    public ByteBuffer read(String name) throws IOException {
        try (FileChannel file = FileChannel.open(folder.resolve(name), StandardOpenOption.READ)) {
            return file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
        }
    }

    @Override
    public Appender create(String name) throws IOException {
        Path path = folder.resolve(name);
        Files.deleteIfExists(path);
        FileChannel file =
                FileChannel.open(
                        path,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        OwnerOnly.FILE);
        return new Appender() {
            @Override
            public void append(ByteBuffer bytes) throws IOException {
                while (bytes.hasRemaining()) {
                    file.write(bytes);
                }
            }

            @Override
            public void force() throws IOException {
                failpoints.hit(BEFORE_SYNC);
                file.force(false);
                failpoints.hit(AFTER_SYNC);
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    @Override
    public void rename(String from, String to) throws IOException {
        Files.move(folder.resolve(from), folder.resolve(to), StandardCopyOption.ATOMIC_MOVE);
        try (FileChannel names = FileChannel.open(folder, StandardOpenOption.READ)) {
            names.force(true);
        }
    }

    @Override
    public void delete(String name) throws IOException {
        Files.deleteIfExists(folder.resolve(name));
    }
}

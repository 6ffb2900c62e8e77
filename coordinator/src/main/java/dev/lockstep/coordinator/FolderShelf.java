// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Stored responses in a folder that only its owner can read: `OWNER/ID.json`. A file appears under
/// its name when it is complete and on the disk.
final class FolderShelf implements ResponseShelf {
    private static final Logger LOG = LogManager.getLogger(FolderShelf.class);
    private static final String ENDING = ".json";
    private static final String UNFINISHED = ".part";

    private final Path root;

    private record Aged(Entry entry, FileTime written) {}

    /// Creates the folder if it does not exist.
    FolderShelf(Path root) throws IOException {
        this.root = root;
        Files.createDirectories(root, OwnerOnly.FOLDER);
    }

    /// Removes files that a process left unfinished, and leaves out those that are no stored
    /// response, as far as their names and their ends show.
    @Override
    public List<Entry> list() throws IOException {
        List<Aged> found = new ArrayList<>();
        for (Path folder : children(root)) {
            String owner = folder.getFileName().toString();
            if (!ResponseOwner.isName(owner)) {
                continue;
            }
            for (Path file : children(folder)) {
                String name = file.getFileName().toString();
                if (name.endsWith(UNFINISHED)) {
                    Files.deleteIfExists(file);
                } else if (isResponse(file, name)) {
                    var entry =
                            new Entry(
                                    new ResponseOwner(owner),
                                    name.substring(0, name.length() - ENDING.length()),
                                    Files.size(file));
                    found.add(new Aged(entry, Files.getLastModifiedTime(file)));
                } else {
                    LOG.warn("{} is not a whole stored response and is skipped", file);
                }
            }
        }
        return found.stream().sorted(Comparator.comparing(Aged::written)).map(Aged::entry).toList();
    }

    private static boolean isResponse(Path file, String name) throws IOException {
        if (!name.endsWith(ENDING)
                || !ResponseStore.isId(name.substring(0, name.length() - ENDING.length()))
                || !Files.isRegularFile(file)) {
            return false;
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return byteAt(channel, 0) == '{' && byteAt(channel, channel.size() - 1) == '}';
        }
    }

    /// Returns a byte of a file, or -1 if it is too short.
    private static int byteAt(FileChannel channel, long position) throws IOException {
        ByteBuffer one = ByteBuffer.allocate(1);
        return position >= 0 && channel.read(one, position) == 1 ? one.get(0) : -1;
    }

    private static List<Path> children(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Override
    public void put(ResponseOwner owner, String id, byte[] bytes) throws IOException {
        Path file = file(owner, id);
        Path part = file.resolveSibling(id + UNFINISHED);
        Files.createDirectories(root.resolve(owner.name()), OwnerOnly.FOLDER);
        try {
            try (FileChannel channel =
                    FileChannel.open(
                            part,
                            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                            OwnerOnly.FILE)) {
                ByteBuffer left = ByteBuffer.wrap(bytes);
                while (left.hasRemaining()) {
                    channel.write(left);
                }
                channel.force(true);
            }
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.deleteIfExists(part);
            throw e;
        }
    }

    @Override
    public Optional<byte[]> find(ResponseOwner owner, String id) throws IOException {
        try {
            return Optional.of(Files.readAllBytes(file(owner, id)));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    @Override
    public boolean remove(ResponseOwner owner, String id) throws IOException {
        return Files.deleteIfExists(file(owner, id));
    }

    private Path file(ResponseOwner owner, String id) {
        return root.resolve(owner.name()).resolve(ResponseStore.requireId(id) + ENDING);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;

/// A file mapped read-only for the life of the process; it is never closed.
///
/// Weights are passed to native code that may outlive every Java reference, so unmapping is not
/// safe at any earlier moment. The file must not be changed in place while it is mapped.
///
/// @param modified when the file was last written to, asked before it was opened: a file that takes
///   its place meanwhile has a later one
record MappedFile(Path path, MemorySegment bytes, FileTime modified) {
    MappedFile(Path path, MemorySegment bytes) {
        this(path, bytes, FileTime.fromMillis(0));
    }

    static MappedFile open(Path path) {
        if (Files.isDirectory(path)) {
            throw new CheckpointException(path + " is a folder where a file is expected");
        }
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new CheckpointException(path + " is not a regular file");
        }
        try {
            FileTime modified = Files.getLastModifiedTime(path);
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
                MemorySegment bytes =
                        channel.map(
                                FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.global());
                return new MappedFile(path, bytes, modified);
            }
        } catch (NoSuchFileException e) {
            throw new CheckpointException(path + " does not exist: download the model again", e);
        } catch (IOException e) {
            throw new CheckpointException(
                    "%s cannot be read (%s)".formatted(path, e.getMessage()), e);
        }
    }

    long size() {
        return bytes.byteSize();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.concurrent.TimeUnit;

/// A SHA-256 digest that distinguishes models, quick even for large files.
///
/// Of a weights file it covers the size, the whole header (every tensor's name, type, shape and
/// offset), the first and the last 64 KiB, and 64 pages of 4 KiB spread evenly. A file that differs
/// only between those pages has the same digest: it distinguishes a wrong model from the right one
/// and is no protection against tampering. Of small files it covers every byte. File names of
/// weights are not covered.
final class ModelDigest {
    private static final int EDGE_BYTES = 64 << 10;
    private static final int PAGE_BYTES = 4 << 10;
    private static final int PAGES = 64;

    private final MessageDigest sha256;

    ModelDigest(String kind) {
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        label(kind, 0);
    }

    /// Adds a file of weights: header, edges and sampled pages.
    void file(MappedFile file, long headerBytes) {
        label("weights", file.size());
        MemorySegment bytes = file.bytes();
        update(bytes.asSlice(0, headerBytes));
        long edge = Math.min(EDGE_BYTES, file.size());
        update(bytes.asSlice(0, edge));
        update(bytes.asSlice(file.size() - edge, edge));
        for (int page = 0; page < PAGES; page++) {
            // Divided before multiplying: no overflow for any file size.
            long at = file.size() / PAGES * page;
            update(bytes.asSlice(at, Math.min(PAGE_BYTES, file.size() - at)));
        }
    }

    /// Adds the size and the time of the last change of a file, and nothing it holds.
    void stamp(MappedFile file) {
        label("modified " + file.modified().to(TimeUnit.NANOSECONDS), file.size());
    }

    /// Adds a whole small file; a missing one is added as absent.
    void smallFile(Path path) {
        String name = String.valueOf(path.getFileName());
        if (!Files.exists(path)) {
            label("absent " + name, 0);
            return;
        }
        try {
            byte[] bytes = Files.readAllBytes(path);
            label(name, bytes.length);
            sha256.update(bytes);
        } catch (IOException e) {
            throw new CheckpointException(
                    "%s cannot be read (%s)".formatted(path, e.getMessage()), e);
        }
    }

    void bytes(String name, MemorySegment bytes) {
        label(name, bytes.byteSize());
        update(bytes);
    }

    String hex() {
        return HexFormat.of().formatHex(sha256.digest());
    }

    private void label(String name, long size) {
        sha256.update((name + "\0" + size + "\0").getBytes(StandardCharsets.UTF_8));
    }

    private void update(MemorySegment bytes) {
        if (bytes.byteSize() <= Integer.MAX_VALUE) {
            sha256.update(bytes.asByteBuffer());
            return;
        }
        for (long at = 0; at < bytes.byteSize(); at += Integer.MAX_VALUE) {
            long length = Math.min(Integer.MAX_VALUE, bytes.byteSize() - at);
            sha256.update(bytes.asSlice(at, length).asByteBuffer());
        }
    }
}

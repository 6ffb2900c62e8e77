// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Compiled kernels in a folder, by all that their machine code depends on: the sources, the
/// options, the architecture and the compiler's version. The processes of a host may share it.
///
/// A file is a line that names the format, the key and the digest of what follows, and the machine
/// code. One that does not fit its line is compiled anew.
public final class KernelCache {
    private static final Logger LOG = LogManager.getLogger(KernelCache.class);
    private static final String FORMAT = "lockstep-kernel-1";
    private static final int DIGEST_CHARACTERS = 64;

    private final Path folder;
    private final Nvrtc nvrtc;

    public KernelCache(Path folder, Nvrtc nvrtc) {
        this.folder = folder;
        this.nvrtc = nvrtc;
    }

    /// Returns the machine code of a program, from the folder if it is there.
    public byte[] image(KernelSource source, String architecture, List<String> options) {
        String key = key(source, architecture, options, nvrtc.version());
        Path file = file(source, key);
        return read(file, key).orElseGet(() -> compile(source, architecture, options, file, key));
    }

    /// Compiles a program again, whose machine code the driver has refused.
    public byte[] again(KernelSource source, String architecture, List<String> options) {
        String key = key(source, architecture, options, nvrtc.version());
        Path file = file(source, key);
        LOG.warn("The driver refuses {}: it is compiled anew", file);
        return compile(source, architecture, options, file, key);
    }

    private byte[] compile(
            KernelSource source, String architecture, List<String> options, Path file, String key) {
        byte[] image = nvrtc.compile(source, architecture, options).image();
        try {
            write(file, key, image);
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot write the compiled kernel " + file, failure);
        }
        return image;
    }

    /// Returns the SHA-256, in hexadecimal digits, of all that the machine code depends on.
    static String key(
            KernelSource source, String architecture, List<String> options, String version) {
        MessageDigest digest = sha256();
        add(digest, FORMAT);
        add(digest, version);
        add(digest, architecture);
        add(digest, Integer.toString(options.size()));
        options.forEach(option -> add(digest, option));
        add(digest, source.name());
        add(digest, source.text());
        for (Map.Entry<String, String> header : source.headers().entrySet()) {
            add(digest, header.getKey());
            add(digest, header.getValue());
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void add(MessageDigest digest, String part) {
        byte[] bytes = part.getBytes(UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        digest.update(bytes);
    }

    private Path file(KernelSource source, String key) {
        String name = source.name().replaceFirst("\\.cu$", "").replaceAll("[^A-Za-z0-9_-]", "_");
        return folder.resolve("%s-%s.cubin".formatted(name, key.substring(0, 16)));
    }

    private static Optional<byte[]> read(Path file, String key) {
        byte[] content;
        try {
            content = Files.readAllBytes(file);
        } catch (NoSuchFileException absent) {
            return Optional.empty();
        } catch (IOException failure) {
            LOG.warn(
                    "{} cannot be read, its kernel is compiled anew: {}", file, failure.toString());
            return Optional.empty();
        }
        byte[] start = (FORMAT + " " + key + " ").getBytes(US_ASCII);
        int header = start.length + DIGEST_CHARACTERS + 1;
        if (content.length < header
                || !Arrays.equals(content, 0, start.length, start, 0, start.length)) {
            LOG.warn("{} is no kernel of this key: it is compiled anew", file);
            return Optional.empty();
        }
        byte[] image = Arrays.copyOfRange(content, header, content.length);
        var digest = new String(content, start.length, DIGEST_CHARACTERS, US_ASCII);
        if (!digest.equals(digest(image))) {
            LOG.warn("{} is truncated or damaged: its kernel is compiled anew", file);
            return Optional.empty();
        }
        return Optional.of(image);
    }

    private void write(Path file, String key, byte[] image) throws IOException {
        Folders.createPrivate(folder);
        Path fresh = Files.createTempFile(folder, "fresh-", ".cubin");
        try {
            String line = "%s %s %s\n".formatted(FORMAT, key, digest(image));
            try (FileChannel channel = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
                writeAll(channel, ByteBuffer.wrap(line.getBytes(US_ASCII)));
                writeAll(channel, ByteBuffer.wrap(image));
                channel.force(true);
            }
            Files.move(
                    fresh,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(fresh);
        }
    }

    private static void writeAll(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private static String digest(byte[] bytes) {
        return HexFormat.of().formatHex(sha256().digest(bytes));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException failure) {
            throw new IllegalStateException("every JDK has SHA-256", failure);
        }
    }
}

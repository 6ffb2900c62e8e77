// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.Transfer;
import dev.lockstep.cli.console.UnusableException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/// Downloads files into the cache. The received part of a file is kept as `.incomplete` under the
/// hash of the whole file, so a later attempt, of any process, resumes there.
final class HubDownload {
    private static final int CHUNK = 1 << 18;
    private static final Pattern SHA_256 = Pattern.compile("[0-9A-Fa-f]{64}");
    private static final Pattern GIT_BLOB = Pattern.compile("[0-9A-Fa-f]{40}");

    private final HubClient client;
    private final HubCache cache;
    private final Transfer transfer;
    private final HubPause pause;

    HubDownload(HubClient client, HubCache cache, Transfer transfer, HubPause pause) {
        this.client = client;
        this.cache = cache;
        this.transfer = transfer;
        this.pause = pause;
    }

    /// Downloads a file and stores its blob, after a check of its hash.
    ///
    /// @return the file as received: the hub may have changed it during the download
    HubClient.RemoteFile fetch(HubClient.RemoteFile requested)
            throws IOException, InterruptedException {
        HubClient.RemoteFile file = requested;
        int failures = 0;
        long before = received(file);
        boolean resumed = before > 0;
        transfer.count(before);
        while (true) {
            try {
                receive(file);
                if (store(file)) {
                    return file;
                }
                transfer.count(-discard(file));
                if (!resumed) {
                    throw new UnusableException(
                            "%s does not match its hash %s: it was discarded; try again"
                                    .formatted(file.name(), file.hash()));
                }
                // The part of an earlier attempt may have been wrong.
                resumed = false;
            } catch (HubClient.ChangedException e) {
                transfer.count(-discard(file));
                failures = failed(failures, e);
                file = client.head(file.commit(), file.name());
                resumed = false;
            } catch (IOException e) {
                requireNotInterrupted(e);
                long now = received(file);
                resumed |= now > 0;
                failures = failed(now > before ? 0 : failures, e);
                before = now;
            }
        }
    }

    private int failed(int failures, IOException cause) throws IOException, InterruptedException {
        pause.after(failures + 1, cause);
        return failures + 1;
    }

    private static void requireNotInterrupted(IOException cause) throws InterruptedException {
        if (cause.getCause() instanceof InterruptedException) {
            throw new InterruptedException();
        }
    }

    /// Receives the missing bytes.
    private void receive(HubClient.RemoteFile file) throws IOException, InterruptedException {
        Path part = cache.incomplete(file.hash());
        long start = received(file);
        if (start == file.bytes()) {
            return;
        }
        try (HubClient.Body body = client.open(file, start);
                OutputStream out =
                        Files.newOutputStream(
                                part,
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE,
                                body.start() > 0
                                        ? StandardOpenOption.APPEND
                                        : StandardOpenOption.TRUNCATE_EXISTING)) {
            transfer.count(body.start() - start);
            byte[] chunk = new byte[CHUNK];
            for (int n = body.in().read(chunk); n >= 0; n = body.in().read(chunk)) {
                out.write(chunk, 0, n);
                transfer.receive(n);
            }
        }
        if (file.bytes() >= 0 && received(file) < file.bytes()) {
            throw new IOException("%s ended early".formatted(file.name()));
        }
    }

    /// Returns the number of bytes received; 0 if there are more than the file has.
    private long received(HubClient.RemoteFile file) throws IOException {
        Path part = cache.incomplete(file.hash());
        long bytes = Files.exists(part) ? Files.size(part) : 0;
        return file.bytes() >= 0 && bytes > file.bytes() ? 0 : bytes;
    }

    private long discard(HubClient.RemoteFile file) throws IOException {
        long bytes = received(file);
        Files.deleteIfExists(cache.incomplete(file.hash()));
        return bytes;
    }

    /// Makes the received file the blob, if its hash matches.
    ///
    /// @return whether it matches
    private boolean store(HubClient.RemoteFile file) throws IOException {
        Path part = cache.incomplete(file.hash());
        if (!Files.exists(part)) {
            // A file of 0 bytes.
            Files.createFile(part);
        }
        String hash = file.hash();
        String found = hash;
        if (SHA_256.matcher(hash).matches()) {
            found = digest("SHA-256", part, "");
        } else if (GIT_BLOB.matcher(hash).matches()) {
            found = digest("SHA-1", part, "blob %d\0".formatted(Files.size(part)));
        }
        if (!found.equalsIgnoreCase(hash)) {
            return false;
        }
        Files.move(part, cache.blob(hash), StandardCopyOption.ATOMIC_MOVE);
        return true;
    }

    private static String digest(String algorithm, Path file, String prefix) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            digest.update(prefix.getBytes(StandardCharsets.UTF_8));
            try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
                in.transferTo(OutputStream.nullOutputStream());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + algorithm, e);
        }
    }
}

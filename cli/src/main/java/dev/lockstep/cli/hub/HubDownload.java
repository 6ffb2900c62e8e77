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

/// One file on its way into the cache. What has come is kept as `.incomplete` under the hash of the
/// whole, so a later attempt, of whichever process, goes on from there.
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

    /// The file's blob, complete and checked.
    ///
    /// @return the file as it was received: the hub may have changed it meanwhile
    HubClient.RemoteFile fetch(HubClient.RemoteFile asked)
            throws IOException, InterruptedException {
        HubClient.RemoteFile file = asked;
        int failures = 0;
        long before = received(file);
        boolean goesOn = before > 0;
        transfer.count(before);
        while (true) {
            try {
                receive(file);
                if (keep(file)) {
                    return file;
                }
                transfer.count(-discard(file));
                if (!goesOn) {
                    throw new UnusableException(
                            "%s came with other content than its hash %s says: it was not kept; try again"
                                    .formatted(file.name(), file.hash()));
                }
                // What was there before may have been the wrong part.
                goesOn = false;
            } catch (HubClient.ChangedException e) {
                transfer.count(-discard(file));
                failures = failed(failures, e);
                file = client.head(file.commit(), file.name());
                goesOn = false;
            } catch (IOException e) {
                requireNotInterrupted(e);
                long now = received(file);
                goesOn |= now > 0;
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

    /// Takes in what is missing.
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

    /// Bytes there are; those of a file that outgrew itself do not count.
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

    /// Turns what was received into the blob, if it is what the hash says.
    private boolean keep(HubClient.RemoteFile file) throws IOException {
        Path part = cache.incomplete(file.hash());
        if (!Files.exists(part)) {
            // Of no bytes.
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

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.OwnerOnly;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.StateFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// What the processes of a cluster know and no other process does: 32 random bytes, in a file that
/// only its owner reads.
///
/// It never leaves the process: what proves it is a keyed hash of a purpose, so a proof that was
/// sent to one process is worthless to another.
public final class ClusterSecret {
    private static final int BYTES = 32;
    private static final Pattern TEXT = Pattern.compile("[0-9a-f]{64}");

    private final SecretKeySpec key;

    private ClusterSecret(byte[] bytes) {
        key = new SecretKeySpec(bytes, "HmacSHA256");
    }

    /// Creates a secret that is in no file.
    public static ClusterSecret random() {
        return new ClusterSecret(HexFormat.of().parseHex(randomText()));
    }

    /// Reads a secret.
    ///
    /// @throws SettingsException naming the file, when it cannot be read, others can read it, or it
    ///   holds no secret
    public static ClusterSecret read(Path file) {
        String text = SecretFile.read(file, "--cluster-secret-file").strip();
        if (!TEXT.matcher(text).matches()) {
            throw new SettingsException(
                    "--cluster-secret-file: %s does not hold %d hexadecimal digits"
                            .formatted(file, 2 * BYTES));
        }
        return new ClusterSecret(HexFormat.of().parseHex(text));
    }

    /// Reads a secret from a file, which is created if it does not exist. Of several processes that
    /// do so at once one creates it, whole.
    public static ClusterSecret readOrCreate(Path file) {
        if (Files.notExists(file)) {
            create(file);
        }
        return read(file);
    }

    private static void create(Path file) {
        try {
            Path folder = file.toAbsolutePath().getParent();
            Files.createDirectories(folder, OwnerOnly.FOLDER);
            Path whole = Files.createTempFile(folder, "secret-", "");
            try {
                Files.writeString(whole, randomText() + "\n");
                // Unlike a move, a link never replaces the file of a process that was faster.
                Files.createLink(file, whole);
            } catch (FileAlreadyExistsException e) {
                // It is as good.
            } finally {
                Files.deleteIfExists(whole);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "--cluster-secret-file: cannot make " + file + ": " + e.getMessage(), e);
        }
    }

    private static String randomText() {
        Randomness randomness = Randomness.secure();
        return randomness.nextIncarnation() + randomness.nextIncarnation();
    }

    /// Returns the file that all processes of a user share unless a setting names another.
    public static Path fileOfUser() {
        return StateFolder.of(System.getenv()).resolve("cluster-secret");
    }

    /// Returns what proves this secret for one purpose and no other.
    byte[] proof(String purpose) {
        try {
            Mac mac = Mac.getInstance(key.getAlgorithm());
            mac.init(key);
            return mac.doFinal(purpose.getBytes(StandardCharsets.UTF_8));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HMAC-SHA256", e);
        }
    }
}

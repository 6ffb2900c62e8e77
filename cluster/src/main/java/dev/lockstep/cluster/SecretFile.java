// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;

/// Reads files that only their owner may read.
final class SecretFile {
    private static final long MAX_BYTES = 64 << 10;
    private static final Path OWN_PROCESS = Path.of("/proc/self");
    private static final Set<PosixFilePermission> OWNER_ONLY =
            EnumSet.of(
                    PosixFilePermission.OWNER_READ,
                    PosixFilePermission.OWNER_WRITE,
                    PosixFilePermission.OWNER_EXECUTE);

    private SecretFile() {}

    /// Returns the text of a file.
    ///
    /// @param key the setting that names the file, for messages
    static String read(Path file, String key) {
        requirePrivate(file, key);
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw unreadable(file, key, e);
        }
    }

    /// Throws unless this user owns a file and no other can read it.
    static void requirePrivate(Path file, String key) {
        try {
            Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
            if (!OWNER_ONLY.containsAll(permissions)) {
                throw new SettingsException(
                        "%s: %s has the permissions %s: only its owner may read it (chmod 600)"
                                .formatted(key, file, PosixFilePermissions.toString(permissions)));
            }
            if (!Files.getOwner(file).equals(Files.getOwner(OWN_PROCESS))) {
                throw new SettingsException(
                        "%s: %s belongs to %s, not to the user of this process"
                                .formatted(key, file, Files.getOwner(file).getName()));
            }
            if (Files.size(file) > MAX_BYTES) {
                throw new SettingsException(
                        "%s: %s has more than %d bytes".formatted(key, file, MAX_BYTES));
            }
        } catch (IOException e) {
            throw unreadable(file, key, e);
        }
    }

    private static SettingsException unreadable(Path file, String key, IOException failure) {
        String reason = failure.getClass().getSimpleName().replace("Exception", "");
        return new SettingsException("%s: cannot read %s: %s".formatted(key, file, reason));
    }
}

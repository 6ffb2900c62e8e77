// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/// The permissions of files and folders that no other user reads.
public final class OwnerOnly {
    public static final FileAttribute<Set<PosixFilePermission>> FILE = attribute("rw-------");
    public static final FileAttribute<Set<PosixFilePermission>> FOLDER = attribute("rwx------");

    private OwnerOnly() {}

    private static FileAttribute<Set<PosixFilePermission>> attribute(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }
}

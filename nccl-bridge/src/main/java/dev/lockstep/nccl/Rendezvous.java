// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.nio.file.Path;
import java.util.regex.Pattern;

/// The meeting point of the ranks of one epoch: the file that rank 0 creates and the others open.
///
/// The scheduler generates a new name for every formation, with a random part; the worker chooses
/// the folder, so that no message can name a file elsewhere.
///
/// @param name at most 128 letters, digits, `.`, `_` or `-`
/// @param size ranks in the group
public record Rendezvous(String name, long epoch, int size, Path folder) {
    /// The prefix of every file, by which a start removes the files of killed processes.
    static final String PREFIX = "lockstep-";

    private static final Path SHARED_MEMORY = Path.of("/dev/shm");
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,128}");

    public Rendezvous {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "rendezvous '%s': needs 1 to 128 letters, digits, '.', '_' or '-'"
                            .formatted(name));
        }
        if (size < 1 || size > RegionLayout.MAX_RANKS) {
            throw new IllegalArgumentException(
                    "a group of %d ranks; shared memory supports 1 to %d"
                            .formatted(size, RegionLayout.MAX_RANKS));
        }
    }

    public static Rendezvous inSharedMemory(String name, long epoch, int size) {
        return new Rendezvous(name, epoch, size, SHARED_MEMORY);
    }

    Path file() {
        return folder.resolve(PREFIX + name);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// How many responses are stored, and where.
///
/// @param count the responses of one owner
/// @param bytes their size
/// @param folder where they are stored; in memory without
public record ResponseBounds(int count, long bytes, Optional<Path> folder) {
    /// The limit of all owners together, in owners that use their bytes up.
    private static final int FULL_OWNERS = 4;

    public static final Key<Integer> COUNT =
            Key.integer(
                            "responses-count",
                            0,
                            1_000_000,
                            "how many responses of /v1/responses are stored for one tenant and key")
                    .orElse("1000");

    public static final Key<Long> SIZE =
            Key.bytes(
                            "responses-size",
                            0,
                            "the bytes of the responses that are stored for one tenant and key")
                    .orElse("8M");

    public static final Key<String> FOLDER =
            Key.text(
                    "responses-folder",
                    "FOLDER",
                    "where responses of /v1/responses are stored, in memory without");

    /// The keys of these settings.
    public static final List<Key<?>> KEYS = List.of(COUNT, SIZE, FOLDER);

    public ResponseBounds {
        if (count < 0 || bytes < 0) {
            throw new IllegalArgumentException(count + " responses of " + bytes + " bytes");
        }
    }

    static ResponseBounds of(Settings settings) {
        return new ResponseBounds(
                settings.value(COUNT), settings.value(SIZE), settings.find(FOLDER).map(Path::of));
    }

    /// Returns the bytes of all owners together.
    long allBytes() {
        return bytes * FULL_OWNERS;
    }
}

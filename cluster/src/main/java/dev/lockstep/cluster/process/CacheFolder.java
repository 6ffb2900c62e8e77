// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.nio.file.Path;
import java.util.Map;

/// The folder of what a user's programs can make or fetch again.
public final class CacheFolder {
    private CacheFolder() {}

    /// Returns `$XDG_CACHE_HOME`, by default `~/.cache`, which other programs use too.
    public static Path ofUser(Map<String, String> environment) {
        String cache = environment.getOrDefault("XDG_CACHE_HOME", "").strip();
        return cache.isEmpty()
                ? Path.of(System.getProperty("user.home"), ".cache")
                : Path.of(cache);
    }

    /// Returns Lockstep's part of it.
    public static Path of(Map<String, String> environment) {
        return ofUser(environment).resolve("lockstep");
    }
}

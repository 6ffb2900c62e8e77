// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.nio.file.Path;
import java.util.Map;

/// The folder of what a user's programs keep between runs.
public final class StateFolder {
    private StateFolder() {}

    /// Returns Lockstep's part of `$XDG_STATE_HOME`, by default of `~/.local/state`. A path that is
    /// not absolute does not count.
    public static Path of(Map<String, String> environment) {
        String state = environment.getOrDefault("XDG_STATE_HOME", "");
        String home = environment.getOrDefault("HOME", "");
        Path folder =
                state.startsWith("/")
                        ? Path.of(state)
                        : Path.of(
                                home.startsWith("/") ? home : System.getProperty("user.home"),
                                ".local",
                                "state");
        return folder.resolve("lockstep");
    }
}

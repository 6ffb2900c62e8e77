// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.StateFolder;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/// Where accepted requests are kept.
public final class DurabilitySettings {
    /// Where accepted requests are kept.
    public enum Durability {
        /// In the memory of coordinator and scheduler: one of them may die.
        MEMORY,
        /// On the disk too: both may die.
        JOURNAL
    }

    public static final Key<Durability> DURABILITY =
            Key.choice(
                            "durability",
                            Durability.class,
                            "where accepted requests are kept: journal also writes them, with their prompts, to disk, so that they survive coordinator and scheduler together")
                    .orElse("memory");

    public static final Key<String> FOLDER =
            Key.text(
                            "journal-folder",
                            "FOLDER",
                            "the journal of one coordinator, for --durability journal")
                    .orElseComputed("journal/CLUSTER in the user's folder of state");

    private DurabilitySettings() {}

    /// Returns the folder of the journal, or empty without one.
    ///
    /// @throws SettingsException where settings contradict each other
    public static Optional<Path> journalFolder(Settings settings, Map<String, String> environment) {
        if (settings.value(DURABILITY) == Durability.MEMORY) {
            if (settings.isGiven(FOLDER)) {
                throw new SettingsException(
                        "--journal-folder is used by --durability journal: give both or neither");
            }
            return Optional.empty();
        }
        if (settings.value(ProcessKeys.RESUME_WINDOW).isZero()) {
            throw new SettingsException(
                    "--durability journal is for clients that come back, and --resume-window 0 lets none");
        }
        return Optional.of(
                settings.find(FOLDER)
                        .map(Path::of)
                        .orElseGet(
                                () ->
                                        StateFolder.of(environment)
                                                .resolve("journal")
                                                .resolve(settings.value(ProcessKeys.CLUSTER)))
                        .toAbsolutePath());
    }
}

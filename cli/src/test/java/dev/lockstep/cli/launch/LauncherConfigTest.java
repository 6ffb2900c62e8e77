// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LauncherConfigTest {
    private static Settings settings(String... words) {
        return Settings.parse(LauncherConfig.SPEC, List.of(words), Map.of());
    }

    @Test
    void theUserOfAnEnsembleNeedsTheEnsemble() {
        SettingsException refusal =
                assertThrows(
                        SettingsException.class,
                        () ->
                                LauncherConfig.requireEnsembleOfUser(
                                        settings("--zookeeper-auth=user")));
        assertEquals(
                "--zookeeper-auth is the user of an ensemble: name the ensemble with --zookeeper",
                refusal.getMessage());
        LauncherConfig.requireEnsembleOfUser(settings());
        LauncherConfig.requireEnsembleOfUser(
                settings("--zookeeper-auth=user", "--zookeeper=host:2181"));
    }

    @Test
    void aStandbyIsNotRecorded() {
        SettingsException refusal =
                assertThrows(
                        SettingsException.class,
                        () ->
                                LauncherConfig.requireOneRecorder(
                                        settings("--standby", "--record=file")));
        assertEquals(
                "--record writes the file of one scheduler: leave out --standby, which starts two",
                refusal.getMessage());
        LauncherConfig.requireOneRecorder(settings("--standby"));
        LauncherConfig.requireOneRecorder(settings("--record=file"));
    }

    @Test
    void theDrainTimeOutOfServeIsATimeOfAnHourAtMost() {
        Duration drain = settings("--drain-timeout=5m").value(ProcessKeys.DRAIN_TIMEOUT);
        assertEquals(Duration.ofMinutes(5), drain);
        SettingsException refusal =
                assertThrows(SettingsException.class, () -> settings("--drain-timeout=2h"));
        assertTrue(String.valueOf(refusal.getMessage()).startsWith("--drain-timeout"));
    }

    @Test
    void aStopWaitsForTheGraceAndTheDrain() {
        assertEquals(Duration.ofSeconds(65), Launcher.drainTime(settings()));
        assertEquals(
                Duration.ofMillis(4500),
                Launcher.drainTime(settings("--drain-timeout=4s", "--drain-grace=500ms")));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SchedulerConfigTest {
    private static Settings settings(String... words) {
        var all = new ArrayList<String>(List.of(words));
        all.add("--zookeeper=a:1");
        return Settings.parse(SchedulerConfig.SPEC, all, Map.of());
    }

    @Test
    void theDrainTimeOutIsATimeOfAnHourAtMostAndTheProcessGetsALittleMore() {
        Settings given = settings("--drain-timeout=7s");
        assertEquals(
                Duration.ofSeconds(7), SchedulerConfig.of(given, Path.of("/run")).drainTimeout());
        assertEquals(Duration.ofSeconds(12), SchedulerConfig.drainBudget(given));
        Settings unset = settings();
        assertEquals(
                Duration.ofSeconds(60), SchedulerConfig.of(unset, Path.of("/run")).drainTimeout());
        SettingsException refused =
                assertThrows(SettingsException.class, () -> settings("--drain-timeout=1500ms0"));
        assertEquals(
                "--drain-timeout: \"1500ms0\" is not a time; write 200ms, 30s, 5m or 1h",
                refused.getMessage());
    }
}

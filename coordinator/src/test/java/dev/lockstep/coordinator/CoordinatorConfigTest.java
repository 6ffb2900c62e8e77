// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class CoordinatorConfigTest {

    private static CoordinatorConfig config(String... words) {
        return CoordinatorConfig.of(
                Settings.parse(CoordinatorConfig.SPEC, List.of(words), Map.of()),
                Path.of("model"),
                "the-model");
    }

    @Test
    void onlyZooKeeperIsRequired() {
        CoordinatorConfig config = config("--zookeeper=localhost:2181");
        assertEquals("127.0.0.1", config.access().host());
        assertEquals(8000, config.port());
        assertEquals(List.of("the-model"), config.servedModelNames());
        assertEquals(8 << 20, config.maxBodyBytes());
        assertEquals(Duration.ofSeconds(60), config.drainTimeout());
        assertFalse(config.parentPipe());
        assertThrows(SettingsException.class, CoordinatorConfigTest::config);
    }

    @Test
    void givenSettingsAreUsed() {
        CoordinatorConfig config =
                config(
                        "--zookeeper=a:1",
                        "--port=0",
                        "--served-model-name=other",
                        "--max-body=1M",
                        "--drain-timeout=5s");
        assertEquals(0, config.port());
        assertEquals(List.of("other"), config.servedModelNames());
        assertEquals(1 << 20, config.maxBodyBytes());
        assertEquals(Duration.ofSeconds(5), config.drainTimeout());
    }

    @Test
    void aBodyLimitBeyondAnArrayIsRefused() {
        SettingsException refused =
                assertThrows(
                        SettingsException.class, () -> config("--zookeeper=a:1", "--max-body=1G"));
        assertTrue(String.valueOf(refused.getMessage()).contains("--max-body"));
    }

    @Test
    void theDrainTimeOutIsATimeOfAnHourAtMost() {
        assertEquals(Duration.ZERO, config("--zookeeper=a:1", "--drain-timeout=0s").drainTimeout());
        SettingsException refused =
                assertThrows(
                        SettingsException.class,
                        () -> config("--zookeeper=a:1", "--drain-timeout=61m"));
        assertEquals("--drain-timeout: 61m is outside [0s, 3600s]", refused.getMessage());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.SettingsException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the settings of access.
final class AccessConfigTest {
    private static final String KEY = "sk-first";

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0", "::", "10.1.2.3"})
    void otherHostsNeedAKeyUnlessTheyMayComeWithout(String host) {
        SettingsException refused =
                assertThrows(
                        SettingsException.class,
                        () -> TestCoordinator.config(Path.of("m"), 0, "--host=" + host));
        assertTrue(String.valueOf(refused.getMessage()).contains("--insecure-bind"));
        assertTrue(
                TestCoordinator.config(Path.of("m"), 0, "--host=" + host, "--insecure-bind")
                        .access()
                        .isOpen());
        assertFalse(
                TestCoordinator.config(Path.of("m"), 0, "--host=" + host, "--api-key=k")
                        .access()
                        .isOpen());
    }

    @ParameterizedTest
    @CsvSource({
        "--api-key=a b, visible ASCII",
        "--api-key=, is empty",
        "--admin-key=a b, visible ASCII",
        "--api-key-file=/nowhere, cannot be read",
        "--cors-origins=https://a.example/, is not an origin",
        "--cors-origins=a.example, is not an origin",
        "--allowed-hosts=a.example:80, without a port"
    })
    void aWrongSettingIsRefused(String word, String message) {
        SettingsException refused =
                assertThrows(
                        SettingsException.class,
                        () -> TestCoordinator.config(Path.of("m"), 0, word));
        String text = String.valueOf(refused.getMessage());
        assertTrue(text.contains(message), text);
        assertFalse(text.contains("a b"), text);
    }

    @Test
    void noKeyIsInTheTextOfTheSettings() {
        CoordinatorConfig config = TestCoordinator.config(Path.of("m"), 0, "--api-key=" + KEY);
        assertFalse(config.toString().contains(KEY), config.toString());
    }
}

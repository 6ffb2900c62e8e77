// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class AdminPortsTest {
    private static AdminPorts ports(String... words) {
        return AdminPorts.of(Settings.parse(LauncherConfig.SPEC, List.of(words), Map.of()));
    }

    @Test
    void everyProcessHasItsOwn() {
        AdminPorts one = ports("--admin-port=9000");
        assertEquals(9001, one.scheduler(0));
        assertEquals(9002, one.worker(0, false));
        assertEquals(9005, one.worker(3, false));
        assertEquals(9102, one.worker(0, true), "beside those of before");
        AdminPorts two = ports("--admin-port=9000", "--standby");
        assertEquals(9002, two.scheduler(1));
        assertEquals(9003, two.worker(0, false));
    }

    @Test
    void withoutTheSettingNoProcessHasOne() {
        AdminPorts none = ports();
        assertEquals(0, none.scheduler(0));
        assertEquals(0, none.worker(200, true));
    }

    @Test
    void portsThatDoNotExistAreRefused() {
        assertEquals(65535, ports("--admin-port=65334").worker(99, true));
        assertRefused(
                "--admin-port=65335 is too high: schedulers and workers have the ports after it, so at most 65334",
                "--admin-port=65335");
        assertRefused(
                "--admin-port=65334 is too high: schedulers and workers have the ports after it, so at most 65333",
                "--admin-port=65334",
                "--standby");
        SettingsException many =
                assertThrows(
                        SettingsException.class,
                        () -> ports("--admin-port=9000").worker(100, false));
        assertEquals("--admin-port has ports for 100 ranks, the group has more", many.getMessage());
    }

    @Test
    void thePublicPortMayNotBeAmongThem() {
        AdminPorts one = ports("--admin-port=7898");
        for (int port : new int[] {7898, 8000, one.worker(99, true)}) {
            assertEquals(
                    "--admin-port=7898 takes the ports up to 8099, and --port=%d is among them"
                            .formatted(port),
                    assertThrows(SettingsException.class, () -> one.requireWithout(port))
                            .getMessage());
        }
        one.requireWithout(7897);
        one.requireWithout(8100);
        one.requireWithout(0);
        ports().requireWithout(8000);
    }

    private static void assertRefused(String why, String... flags) {
        assertEquals(why, assertThrows(SettingsException.class, () -> ports(flags)).getMessage());
    }
}

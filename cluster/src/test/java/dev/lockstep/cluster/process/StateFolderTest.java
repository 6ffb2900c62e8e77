// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class StateFolderTest {
    @Test
    void onlyAbsolutePathsOfTheEnvironmentCount() {
        assertEquals(
                Path.of("/s/lockstep"),
                StateFolder.of(Map.of("XDG_STATE_HOME", "/s", "HOME", "/h")));
        Path ofHome = Path.of("/h/.local/state/lockstep");
        assertEquals(ofHome, StateFolder.of(Map.of("XDG_STATE_HOME", "s", "HOME", "/h")));
        assertEquals(ofHome, StateFolder.of(Map.of("XDG_STATE_HOME", "", "HOME", "/h")));
        assertEquals(
                Path.of(System.getProperty("user.home"), ".local/state/lockstep"),
                StateFolder.of(Map.of("HOME", "")));
    }
}

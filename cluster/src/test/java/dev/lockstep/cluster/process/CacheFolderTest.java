// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class CacheFolderTest {
    @Test
    void theFolderIsTheOneOfXdgOrBelowTheHome() {
        assertEquals(Path.of("/c/lockstep"), CacheFolder.of(Map.of("XDG_CACHE_HOME", "/c")));
        Path ofHome = Path.of(System.getProperty("user.home"), ".cache");
        assertEquals(ofHome, CacheFolder.ofUser(Map.of("XDG_CACHE_HOME", "")));
        assertEquals(ofHome.resolve("lockstep"), CacheFolder.of(Map.of()));
    }
}

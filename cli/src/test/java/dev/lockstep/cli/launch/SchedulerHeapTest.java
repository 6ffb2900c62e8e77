// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SchedulerHeapTest {
    /// 1 GiB of host memory in KiB.
    private static final long GIBIBYTE = 1 << 20;

    @Test
    void theHeapIsA64thOfTheHostMemoryWithinBounds() {
        assertEquals(256, SchedulerHeap.mebibytes(4 * GIBIBYTE));
        assertEquals(512, SchedulerHeap.mebibytes(32 * GIBIBYTE));
        assertEquals(4096, SchedulerHeap.mebibytes(2048 * GIBIBYTE));
    }

    @Test
    void aSchedulerStartsWithThisHeap() {
        List<String> command =
                JavaProcess.command(
                        JavaProcess.Role.SCHEDULER,
                        "scheduler",
                        Path.of("run"),
                        Optional.empty(),
                        List.of());
        long heap = SchedulerHeap.mebibytes();
        assertTrue(command.contains("-Xmx" + heap + "m"), command::toString);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class RestartsTest {
    private final Restarts restarts = new Restarts();

    private long millis(int seconds) {
        return restarts.ended(Duration.ofSeconds(seconds)).toMillis();
    }

    @Test
    void theDelayDoublesAndIsTheLongestOnceAChildCountsAsFailed() {
        List<Long> delays = new ArrayList<>();
        for (int i = 1; i < Restarts.FAILED_AFTER; i++) {
            delays.add(millis(1));
            assertFalse(restarts.failed());
        }
        assertEquals(List.of(250L, 500L, 1000L, 2000L), delays);
        assertEquals(30_000, millis(1));
        assertTrue(restarts.failed());
        assertEquals(30_000, millis(60));
        assertFalse(restarts.failed(), "it is said once");
    }

    @Test
    void aChildThatRanLongBeginsANewRow() {
        millis(1);
        millis(1);
        assertEquals(250, millis(61));
        assertEquals(500, millis(1));
        for (int i = 0; i < 3; i++) {
            assertFalse(restarts.failed());
            millis(1);
        }
        assertTrue(restarts.failed());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

final class JsonWeightTest {
    private static long weight(String json) {
        return JsonWeight.of(json.getBytes(StandardCharsets.UTF_8), Long.MAX_VALUE);
    }

    @Test
    void emptyObjectsNeedManyTimesTheBytesOfTheirText() {
        String objects = "[" + "{},".repeat(1000) + "{}]";
        assertTrue(weight(objects) > 50L * objects.length());
    }

    @Test
    void aLongTextOrManyTokenIdsNeedFewTimesTheBytesOfTheirText() {
        String text = "\"" + "a".repeat(10_000) + "\"";
        assertTrue(weight(text) < 5L * text.length());
        String ids = "[" + "12345,".repeat(10_000) + "1]";
        assertTrue(weight(ids) < 6L * ids.length());
    }

    @Test
    void theLargestPossibleBodyLimitIsAnInt() {
        assertEquals(Integer.MAX_VALUE, new RequestMemory(1 << 28).capacity());
    }

    @Test
    void theEstimateEndsAtTheLimitAndAtAnError() {
        String objects = "[" + "{},".repeat(1000) + "{}]";
        long stopped = JsonWeight.of(objects.getBytes(StandardCharsets.UTF_8), 1000);
        assertTrue(stopped > 1000 && stopped < 1500, () -> "" + stopped);
        assertEquals(weight("[]"), weight("[?"));
    }
}

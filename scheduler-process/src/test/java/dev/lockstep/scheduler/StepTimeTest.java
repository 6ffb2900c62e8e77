// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class StepTimeTest {
    private static StepTime time(int budget, int doublingPosition) {
        return new StepTime(
                new GroupShape(
                        1,
                        8,
                        budget,
                        doublingPosition,
                        9000,
                        16,
                        999,
                        List.of(KvGroupShape.full(64))));
    }

    /// A running sequence of 8,000 prompt tokens, `computed` of them computed.
    private static Sequence prefilling(int computed) {
        var sequence = new Sequence(0, "r", new int[8000], Choice.of(9));
        sequence.admit(0, computed);
        return sequence;
    }

    private static Sequence decoding(int prompt) {
        var sequence = new Sequence(0, "r", new int[prompt], Choice.of(9));
        sequence.admit(0, 0);
        sequence.send(prompt);
        return sequence;
    }

    private static int[] limited(StepTime time, List<Sequence> batch, int... tokens) {
        time.limit(batch, tokens);
        return tokens;
    }

    @Test
    void aChunkAtTheBeginningIsAsLongAsTheBudget() {
        assertArrayEquals(new int[] {256}, limited(time(256, 2000), List.of(prefilling(0)), 256));
    }

    @Test
    void aChunkWhereATokenTakesTwiceTheTimeIsHalfAsLong() {
        int[] tokens = limited(time(256, 2000), List.of(prefilling(2000)), 256);
        // A little more: its own tokens are part of what they attend to.
        assertEquals(130, tokens[0], 3);
        tokens = limited(time(256, 2000), List.of(prefilling(6000)), 256);
        assertEquals(65, tokens[0], 3);
    }

    @Test
    void decodesAreNotShortenedAndCountWithAllTheyAttendTo() {
        List<Sequence> batch = List.of(decoding(4000), prefilling(0), decoding(10));
        int[] tokens = limited(time(256, 2000), batch, 1, 254, 1);
        assertEquals(1, tokens[0]);
        assertEquals(1, tokens[2]);
        assertEquals(252, tokens[1], 1);
    }

    @Test
    void severalPrefillsAreShortenedInProportion() {
        List<Sequence> batch = List.of(prefilling(4000), prefilling(4000));
        int[] tokens = limited(time(256, 2000), batch, 192, 64);
        assertEquals(3, tokens[0] / (double) tokens[1], 0.1);
        assertTrue(tokens[0] + tokens[1] < 100, "three times the time for each");
    }

    @Test
    void aPrefillContinuesHoweverLongTheDecodesTake() {
        List<Sequence> batch = List.of(decoding(8000), decoding(8000), prefilling(100));
        int[] tokens = limited(time(16, 1000), batch, 1, 1, 14);
        assertArrayEquals(new int[] {1, 1, 14}, tokens);
        tokens = limited(time(64, 100), batch, 1, 1, 62);
        assertArrayEquals(new int[] {1, 1, 16}, tokens);
    }

    @Test
    void withoutAMeasurementPrefillsAreNotShortened() {
        assertArrayEquals(new int[] {256}, limited(time(256, 0), List.of(prefilling(7000)), 256));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class StepTimeTest {
    private static StepTime time(int budget, int doublingPosition) {
        return time(budget, doublingPosition, 0);
    }

    private static StepTime time(int budget, int doublingPosition, int measured) {
        return new StepTime(
                new GroupShape(
                        1,
                        8,
                        budget,
                        doublingPosition,
                        measured,
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
        time.limit(batch, tokens, new ShortPrompts(time), Double.MAX_VALUE);
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

    /// A step of one prefill row at the beginning of a sequence and some decode rows.
    private static StepPlan step(int prefill, int decodes) {
        var plan = new StepPlan();
        plan.begin(1, 1, 0);
        plan.add(prefilling(0), prefill);
        for (int i = 0; i < decodes; i++) {
            plan.add(decoding(1), 1);
        }
        return plan;
    }

    /// Ends full steps on a machine that computes a token in this time.
    private static void run(StepTime time, int steps, long microsPerToken) {
        for (int i = 0; i < steps; i++) {
            time.ended(step(time.tokens(), 0), 1, time.tokens() * microsPerToken);
        }
    }

    @Test
    void aMachineThatWasBusyAtItsStartGetsMoreTokens() {
        StepTime time = time(1024, 0, 32);
        assertEquals(32, time.tokens());
        // 250 ms for 500 tokens; a step at most doubles the number.
        run(time, 1, 500);
        assertEquals(64, time.tokens());
        run(time, 9, 500);
        assertEquals(500, time.tokens());
        run(time, 9, 10);
        assertEquals(1024, time.tokens());
    }

    @Test
    void fewerTokensNeedManySlowStepsInARow() {
        StepTime time = time(1024, 0, 400);
        run(time, StepTime.WINDOW - 1, 5000);
        run(time, 1, 625);
        run(time, StepTime.WINDOW - 1, 5000);
        assertEquals(400, time.tokens(), "one was as fast as before");
        run(time, 1, 5000);
        assertEquals(200, time.tokens());
        run(time, 20 * StepTime.WINDOW, 50_000);
        int min = 1 + 2 * StepTime.MIN_CHUNK;
        assertEquals(min, time.tokens());
        run(time, 1, 625);
        assertEquals(2 * min, time.tokens());
    }

    @Test
    void everySequenceThatRunsKeepsItsTokenHoweverSlowTheStepsAre() {
        StepTime time = time(1024, 0, 400);
        for (int i = 0; i < 5 * StepTime.WINDOW; i++) {
            time.ended(step(400, 0), 300, 20 * StepTime.GOAL_MICROS);
        }
        assertEquals(300 + 2 * StepTime.MIN_CHUNK, time.tokens());
    }

    @Test
    void theCostOfPositionsIsCountedInAMeasurement() {
        StepTime time = time(1024, 100, 256);
        // As long as the goal: 256 tokens cost 583.
        time.ended(step(256, 0), 1, StepTime.GOAL_MICROS);
        assertEquals(256, time.tokens());
        // Four times as fast: 2,335 is the cost of 590 tokens, more than twice as many.
        time.ended(step(256, 0), 1, StepTime.GOAL_MICROS / 4);
        assertEquals(512, time.tokens());
    }

    @Test
    void smallStepsAndUnknownTimesAndGivenNumbersChangeNothing() {
        StepTime measured = time(1024, 0, 256);
        measured.ended(step(100, 150), 1, 1000);
        measured.ended(step(256, 0), 1, 0);
        assertEquals(256, measured.tokens());
        StepTime given = time(256, 0);
        given.ended(step(256, 0), 1, 1000);
        assertEquals(256, given.tokens());
    }

    @Test
    void withoutAMeasurementPrefillsAreNotShortened() {
        assertArrayEquals(new int[] {256}, limited(time(256, 0), List.of(prefilling(7000)), 256));
    }
}

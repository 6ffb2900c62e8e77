// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.nccl.Communicator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class SessionTest extends TinyWorkerSetting {
    private static final int[] NONE = {};

    @Test
    void aPreemptedSequenceGoesOnWithTheSameTokensAndLogprobs() {
        try (Session session = worker.open(1)) {
            SamplingSettings settings = TestWorker.seeded(42);
            List<StepOutcome.Sampled> whole =
                    TestWorker.generate(session, PROMPT, NONE, 40, settings);
            int[] first = whole.subList(0, 23).stream().mapToInt(StepOutcome.Sampled::id).toArray();
            List<StepOutcome.Sampled> rest =
                    TestWorker.generate(session, PROMPT, first, 17, settings);
            TestWorker.assertSame(whole.subList(23, 40), rest);
        }
    }

    @Test
    void aSequenceHasTheSameTokensInAMixedBatchAndInChunks() {
        try (Session session = worker.open(1)) {
            SamplingSettings settings = TestWorker.seeded(7);
            List<StepOutcome.Sampled> alone =
                    TestWorker.generate(session, PROMPT, NONE, 2, settings);
            // Slot 3 prefills in chunks of 7 and 3 while slot 1 decodes.
            int[] other = {9, 8, 7};
            session.run(
                    TestWorker.step(
                            session,
                            NONE,
                            List.of(
                                    TestWorker.admission(1, other, NONE, TestWorker.seeded(1)),
                                    TestWorker.admission(3, PROMPT, NONE, settings)),
                            TestWorker.row(1, 0, 3, 20),
                            TestWorker.row(3, 0, 7, 21)));
            StepOutcome last =
                    session.run(
                            TestWorker.step(
                                    session,
                                    NONE,
                                    List.of(),
                                    TestWorker.row(3, 7, 3),
                                    TestWorker.row(1, 3, 1)));
            StepOutcome next =
                    session.run(
                            TestWorker.step(
                                    session,
                                    NONE,
                                    List.of(),
                                    TestWorker.row(1, 4, 1),
                                    TestWorker.row(3, 10, 1)));
            TestWorker.assertSame(alone.subList(0, 1), List.of(last.sampled().getFirst()));
            TestWorker.assertSame(alone.subList(1, 2), List.of(next.sampled().getLast()));
        }
    }

    /// The sampler's buffer still holds the log-probability of the preceding sequence.
    @Test
    void aTokenHasNoLogprobsUnlessItsSequenceRequestsThem() {
        try (Session session = worker.open(1)) {
            StepOutcome.Sampled measured =
                    TestWorker.generate(session, PROMPT, NONE, 1, TestWorker.seeded(1)).getFirst();
            assertEquals(3, logprobs(measured).topIds().length);
            StepOutcome.Sampled plain =
                    TestWorker.generate(session, PROMPT, NONE, 1, SamplingSettings.greedy())
                            .getFirst();
            assertEquals(Optional.empty(), plain.logprobs());
            assertTrue(
                    StepMessages.toProto(
                                    new StepOutcome(
                                            1,
                                            1,
                                            List.of(),
                                            List.of(plain),
                                            List.of(),
                                            OptionalInt.empty(),
                                            0,
                                            Communicator.UNKNOWN))
                            .getSampled(0)
                            .getLogprobs()
                            .isEmpty());
        }
    }

    @Test
    void aChunkThatDoesNotReachTheEndSamplesNothing() {
        try (Session session = worker.open(1)) {
            StepOutcome outcome =
                    session.run(
                            TestWorker.step(
                                    session,
                                    NONE,
                                    List.of(
                                            TestWorker.admission(
                                                    0, PROMPT, NONE, SamplingSettings.greedy())),
                                    TestWorker.row(0, 0, 4, 1)));
            assertTrue(outcome.sampled().isEmpty());
        }
    }

    @Test
    void anEmptyStepCountsAsAStep() {
        try (Session session = worker.open(1)) {
            session.run(TestWorker.step(session, NONE, List.of()));
            assertEquals(1, session.lastNumber());
        }
    }

    @Test
    void aStepOutOfOrderIsRefused() {
        try (Session session = worker.open(4)) {
            var second = new Step(4, 2, NONE, List.of(), List.of(), List.of());
            var stale = new Step(3, 1, NONE, List.of(), List.of(), List.of());
            assertThrows(IllegalStateException.class, () -> session.run(second));
            assertThrows(IllegalStateException.class, () -> session.run(stale));
        }
    }

    @Test
    void rowsThatNoCorrectSchedulerSendsAreRefusedByName() {
        try (Session session = worker.open(1)) {
            assertRefused(session, "slot 2 is empty", TestWorker.row(2, 0, 1, 1));
            session.run(
                    TestWorker.step(
                            session,
                            NONE,
                            List.of(
                                    TestWorker.admission(
                                            0, PROMPT, NONE, SamplingSettings.greedy())),
                            TestWorker.row(0, 0, 4, 1)));
            assertRefused(
                    session, "row of 1 tokens at 9, the slot is at 4", TestWorker.row(0, 9, 1));
            assertRefused(session, "do not hold 24 tokens", TestWorker.row(0, 4, 20));
        }
    }

    /// The row writes neither: it only reads the first block.
    @Test
    void blocksThatDoNotExistAreRefusedBeforeTheDeviceReadsThem() {
        for (int block : new int[] {TestWorker.BLOCKS, -1, Integer.MAX_VALUE}) {
            try (Session session = worker.open(1)) {
                int[] outputs = new int[10];
                Step step =
                        TestWorker.step(
                                session,
                                NONE,
                                List.of(
                                        new Step.Admission(
                                                "r",
                                                0,
                                                PROMPT,
                                                outputs,
                                                SamplingSettings.greedy(),
                                                16)),
                                TestWorker.row(0, 16, 4, block, 3));
                IllegalArgumentException refusal =
                        assertThrows(IllegalArgumentException.class, () -> session.run(step));
                assertEquals(
                        "KV block %d in KV group 0, must be 0 to %d"
                                .formatted(block, TestWorker.BLOCKS - 1),
                        refusal.getMessage());
            }
        }
    }

    @Test
    void warmUpMeasuresAChunkWithinTheLimits() {
        try (Session session = worker.open(1)) {
            int chunk =
                    new WarmUp(worker.rank.kernels(), session, TestWorker.BLOCKS)
                            .measure()
                            .tokens();
            assertTrue(chunk >= 1 && chunk <= 64, "chunk " + chunk);
            assertEquals(0, session.lastNumber());
        }
    }

    private static void assertRefused(Session session, String words, Step.Row row) {
        Step step = TestWorker.step(session, NONE, List.of(), row);
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> session.run(step));
        String message = refusal.getMessage() + "";
        assertTrue(message.contains(words), message);
    }

    private static StepOutcome.Logprobs logprobs(StepOutcome.Sampled token) {
        return token.logprobs().orElseThrow();
    }
}

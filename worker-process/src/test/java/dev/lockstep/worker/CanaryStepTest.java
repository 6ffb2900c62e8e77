// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static dev.lockstep.worker.TestSteps.assertContains;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.proto.v1.CanaryResult;
import dev.lockstep.proto.v1.CanaryStep;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.SchedulerMessage;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/// A canary step has the same bits at any time and changes nothing else.
class CanaryStepTest extends TinyWorkerSetting {
    private static final int[] NONE = {};

    @Test
    void aCanaryStepRepeatsItsBitsBetweenTheStepsOfSequencesAndChangesNoToken() {
        try (Session session = worker.open(1)) {
            CanaryOutcome known = session.canary();
            List<StepOutcome.Sampled> before =
                    TestWorker.generate(session, PROMPT, NONE, 6, TestWorker.seeded(3));
            assertEquals(known, session.canary());
            TestWorker.assertSame(
                    before, TestWorker.generate(session, PROMPT, NONE, 6, TestWorker.seeded(3)));
            assertEquals(known, session.canary());
        }
    }

    /// Sequences that have ended keep their slots until the next step.
    @Test
    void aCanaryStepNeedsNoFreeSlot() {
        try (Session session = worker.open(1)) {
            CanaryOutcome known = session.canary();
            List<Step.Admission> all = new ArrayList<>();
            List<Step.Row> rows = new ArrayList<>();
            int[] slots = new int[TestWorker.MAX_SEQUENCES];
            for (int slot = 0; slot < slots.length; slot++) {
                slots[slot] = slot;
                all.add(
                        TestWorker.admission(
                                slot, new int[] {5, 6 + slot}, NONE, TestWorker.seeded(slot)));
                rows.add(TestWorker.row(slot, 0, 2, 1 + slot));
            }
            session.run(TestWorker.step(session, NONE, all, rows.toArray(Step.Row[]::new)));
            assertEquals(known, session.canary());
            session.run(TestWorker.step(session, slots, List.of()));
            assertEquals(known, session.canary());
        }
    }

    @Test
    void aFlippedBitOfTheResidualChangesTheChecksumAlone() {
        var flip = new AtomicBoolean();
        var formation =
                new StepRunner.Formation(
                        3,
                        "test",
                        new byte[0],
                        TestWorker.BLOCKS,
                        TestWorker.MAX_SEQUENCES,
                        Optional.of(TestWorker.MAX_TOKENS),
                        false,
                        1);
        try (Session session = worker.rank.open(formation, () -> "", () -> flip.getAndSet(false))) {
            CanaryOutcome known = session.canary();
            flip.set(true);
            CanaryOutcome wrong = session.canary();
            assertNotEquals(known.checksum(), wrong.checksum());
            assertEquals(known.token(), wrong.token());
            assertEquals(known, session.canary());
            StepOutcome step =
                    session.run(
                            TestWorker.step(
                                    session,
                                    NONE,
                                    List.of(
                                            TestWorker.admission(
                                                    0, PROMPT, NONE, TestWorker.seeded(1))),
                                    TestWorker.row(0, 0, PROMPT.length, 1)));
            assertEquals(
                    OptionalInt.empty(),
                    step.checksum(),
                    "a single rank's residual has nothing to be compared with");
        }
    }

    @Test
    void aWorkerReportsTheCanaryOfItsWarmUpAndEachOneItIsSent() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.join(11);
            Form.Builder form = TestScheduler.form(11).setCheckInterval(1);
            Formed formed = scheduler.form(form);
            assertTrue(formed.getCanaryRepeats(), "on a CPU");
            scheduler.send(TestSteps.prefill(11));
            scheduler.result();
            scheduler.send(
                    SchedulerMessage.newBuilder()
                            .setCanary(CanaryStep.newBuilder().setEpoch(11).setNumber(1)));
            assertEquals(
                    CanaryResult.newBuilder()
                            .setEpoch(11)
                            .setNumber(1)
                            .setCanary(formed.getCanary())
                            .build(),
                    scheduler.next().getCanary());
        }
    }

    @Test
    void aWorkerThatIsTakenOutAdoptsTheEpochAndEndsWithACodeOfItsOwn() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.send(
                    SchedulerMessage.newBuilder()
                            .setJoin(
                                    Join.newBuilder()
                                            .setGroup("default")
                                            .setEpoch(21)
                                            .setSize(1)
                                            .setExpelled("its checksum differs")));
            assertEquals(Status.Code.ABORTED, scheduler.end().getCode());
            Throwable failure = served.unusable();
            assertContains(failure.getMessage() + "", "its checksum differs");
            assertEquals(ExitCode.EXPELLED, WorkerMain.exitCode(failure));
            try (TestScheduler stale = served.dial()) {
                stale.sendJoin("default", 21, 0, 1);
                assertContains(stale.end() + "", "stale epoch 21");
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.admission;
import static dev.lockstep.worker.TestSteps.assertContains;
import static dev.lockstep.worker.TestSteps.assertServes;
import static dev.lockstep.worker.TestSteps.prefill;
import static dev.lockstep.worker.TestSteps.row;
import static dev.lockstep.worker.TestSteps.seeded;
import static dev.lockstep.worker.TestSteps.step;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.WorkerError;
import io.grpc.Status;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Messages that a correct scheduler never sends are refused by name, and the worker goes on.
class MalformedMessagesTest extends TinyWorkerSetting {
    @Test
    void malformedStepsAreErrorsAndTheProcessGoesOn() throws Exception {
        SamplingParams.Builder greedy = TestSteps.greedy();
        try (ServedWorker served = serve()) {
            long epoch = 0;
            for (Malformed bad :
                    List.of(
                            new Malformed(step(0, 1).addRows(row(3, 0, 1, 1)), "slot 3 is empty"),
                            new Malformed(step(0, 1).addReleasedSlots(99), "slot 99"),
                            new Malformed(
                                    step(0, 1).addAdmitted(admission(8, greedy)), "slot 8", "8"),
                            new Malformed(prefill(0).setRows(0, row(0, 0, 10, 33)), "33", "32"),
                            new Malformed(prefill(0).setRows(0, row(0, 0, 10, 0)), "block 0"),
                            new Malformed(prefill(0).setRows(0, row(0, 0, 10, -5)), "-5"),
                            new Malformed(prefill(0).setRows(0, row(0, 0, 0, 1)), "0 tokens"),
                            new Malformed(prefill(0).setRows(0, row(0, 0, -1, 1)), "-1 tokens"),
                            new Malformed(prefill(0).setRows(0, row(0, -1, 1, 1)), "at -1"),
                            new Malformed(
                                    prefill(0).setRows(0, row(0, 0, 10, 1).clearNewBlocks()),
                                    "slot 0",
                                    "0 KV groups of 1"),
                            new Malformed(
                                    prefill(0).setRows(0, row(0, 0, 12, 1)), "12", "10 are known"),
                            new Malformed(
                                    prefill(0).addRows(row(0, 10, 1)), "slot 0", "more than one"),
                            new Malformed(
                                    step(0, 1)
                                            .addAdmitted(
                                                    Admission.newBuilder()
                                                            .setSampling(
                                                                    greedy.build().toByteString()))
                                            .addRows(row(0, 0, 1, 1)),
                                    "slot 0",
                                    "no ids"),
                            new Malformed(
                                    step(0, 1)
                                            .addAdmitted(admission(0, greedy).addPromptIds(512))
                                            .addRows(row(0, 0, 11, 1)),
                                    "512"),
                            new Malformed(
                                    step(0, 1)
                                            .addAdmitted(admission(0, greedy).addPromptIds(-1))
                                            .addRows(row(0, 0, 11, 1)),
                                    "-1"),
                            new Malformed(
                                    step(0, 1)
                                            .addAdmitted(admission(0, greedy.clone().setTopP(7)))
                                            .addRows(row(0, 0, 10, 1)),
                                    "top_p",
                                    "7"),
                            new Malformed(longPrompt(65), "65", "64"),
                            new Malformed(
                                    step(0, 1)
                                            .addCopies(
                                                    BlockCopy.newBuilder()
                                                            .setFrom(1)
                                                            .setTo(33)
                                                            .setTokens(16)),
                                    "33"),
                            new Malformed(
                                    step(0, 1)
                                            .addCopies(
                                                    BlockCopy.newBuilder()
                                                            .setKvGroup(1)
                                                            .setFrom(1)
                                                            .setTo(2)
                                                            .setTokens(16)),
                                    "KV group 1"))) {
                epoch++;
                try (TestScheduler scheduler = served.dial()) {
                    scheduler.begin(epoch);
                    scheduler.send(bad.step.setEpoch(epoch));
                    WorkerError error = scheduler.error();
                    assertEquals(1, error.getNumber(), error::toString);
                    assertContains(error.getMessage(), bad.words);
                }
            }
            assertServes(served, epoch + 1);
        }
    }

    private record Malformed(dev.lockstep.proto.v1.Step.Builder step, String... words) {}

    private static dev.lockstep.proto.v1.Step.Builder longPrompt(int tokens) {
        Admission.Builder admission = admission(0, seeded(1));
        Integer[] blocks = new Integer[9];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = i + 1;
        }
        while (admission.getPromptIdsCount() < tokens) {
            admission.addPromptIds(7);
        }
        return step(0, 1).addAdmitted(admission).addRows(row(0, 0, tokens, blocks));
    }

    @Test
    void aFormOutsideTheLimitsIsAnErrorAndTheProcessGoesOn() throws Exception {
        try (ServedWorker served = serve()) {
            long epoch = 0;
            for (Malformed bad :
                    List.of(
                            new Malformed(step(0, 0), "34 KV blocks", "to 33"),
                            new Malformed(step(0, 0), "1 KV blocks", "2"),
                            new Malformed(step(0, 0), "KV blocks", "" + Long.MAX_VALUE),
                            new Malformed(step(0, 0), "0 sequences"),
                            new Malformed(step(0, 0), "-1 tokens"))) {
                Form.Builder form = TestScheduler.form(++epoch);
                switch ((int) epoch) {
                    case 1 -> form.setKvBlocks(34);
                    case 2 -> form.setKvBlocks(1);
                    case 3 -> form.setKvBlocks(Long.MAX_VALUE);
                    case 4 -> form.setMaxNumSeqs(0);
                    default -> form.setMaxNumBatchedTokens(-1);
                }
                try (TestScheduler scheduler = served.dial()) {
                    scheduler.join(epoch);
                    scheduler.sendForm(form);
                    assertContains(scheduler.error().getMessage(), bad.words);
                }
            }
            assertServes(served, epoch + 1);
        }
    }

    @Test
    void anEmptyMessageEndsTheStreamAndTheEpoch() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            assertTrue(served.nextReady());
            scheduler.send(SchedulerMessage.newBuilder());
            assertEquals(Status.Code.INVALID_ARGUMENT, scheduler.end().getCode());
            assertFalse(served.nextReady());
            assertServes(served, 2);
        }
    }

    @Test
    void aJoinForAnotherRankAndGroupIsRefusedNamingBoth() throws Exception {
        try (ServedWorker served = serve()) {
            for (TestScheduler scheduler : List.of(served.dial(), served.dial(), served.dial())) {
                try (scheduler) {
                    scheduler.sendJoin("other", 9, 1, 3);
                    Status end = scheduler.end();
                    assertEquals(Status.Code.FAILED_PRECONDITION, end.getCode());
                    assertContains(
                            end + "", "rank 1 of 3 in group other", "rank 0 of 1 in group default");
                }
            }
            assertServes(served, 1);
        }
    }
}

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

import com.google.protobuf.ByteString;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.WorkerError;
import io.grpc.Status;
import java.util.List;
import java.util.function.UnaryOperator;
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

    /// A request with settings that no coordinator sends ends alone: the step runs, and the other
    /// sequence has the same tokens and log-probabilities.
    @Test
    void settingsOutOfRangeRefuseTheirRequestAlone() throws Exception {
        List<Refused> cases =
                List.of(
                        new Refused(sampling(one -> one.setTopP(7)), "top_p is 7.0"),
                        new Refused(sampling(one -> one.setTopP(0)), "top_p is 0.0"),
                        new Refused(sampling(one -> one.setTemperature(Float.NaN)), "temperature"),
                        new Refused(sampling(one -> one.setTopK(-1)), "top_k is -1"),
                        new Refused(sampling(one -> one.setMinP(2)), "min_p is 2.0"),
                        new Refused(sampling(one -> one.setTypicalP(-1)), "typical_p is -1.0"),
                        new Refused(
                                sampling(one -> one.setRepetitionPenalty(0)),
                                "repetition_penalty is 0.0"),
                        new Refused(
                                sampling(one -> one.setFrequencyPenalty(Float.NaN)),
                                "frequency_penalty is NaN"),
                        new Refused(
                                sampling(one -> one.setPresencePenalty(1 / 0f)),
                                "presence_penalty is Infinity"),
                        new Refused(sampling(one -> one.setTopLogprobs(21)), "top_logprobs is 21"),
                        new Refused(
                                sampling(one -> one.addLogitBias(bias(512))), "logit_bias is 512"),
                        new Refused(
                                sampling(one -> one.addLogitBias(bias(-1))), "logit_bias is -1"),
                        new Refused(
                                admission(1, TestSteps.greedy()).addStopTokenIds(512),
                                "stop_token_ids is 512"),
                        new Refused(
                                admission(1, TestSteps.greedy()).setMinTokens(-1),
                                "min_tokens is -1"),
                        new Refused(
                                admission(1, TestSteps.greedy()).setSampling(GARBAGE),
                                "sampling of an admission cannot be read"),
                        new Refused(
                                admission(1, TestSteps.greedy()).setOutputs(GARBAGE),
                                "outputs of an admission cannot be read"),
                        new Refused(outputs(PromptOutputs.newBuilder().setFrom(-1)), "position -1"),
                        new Refused(outputs(PromptOutputs.newBuilder().setTopLogprobs(21)), "21"),
                        new Refused(
                                outputs(PromptOutputs.newBuilder().setPoolingValue(9)),
                                "pooling 9"));
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            scheduler.send(prefill(1));
            Sampled alone = scheduler.result().getSampled(0);
            long number = 1;
            for (Refused bad : cases) {
                scheduler.send(
                        step(1, ++number)
                                .addReleasedSlots(0)
                                .addAdmitted(admission(0, seeded(42)))
                                .addAdmitted(bad.admission)
                                .addRows(row(0, 0, 10, 1))
                                .addRows(row(1, 0, 10, 2)));
                StepResult result = scheduler.result();
                assertEquals(1, result.getRefusedCount(), bad.words);
                assertEquals(1, result.getRefused(0).getSlot());
                assertContains(result.getRefused(0).getReason(), bad.words);
                assertEquals(alone, result.getSampled(0), bad.words);
                assertEquals(2, result.getSampledCount(), bad.words);
                assertEquals(0, result.getOutputsCount(), bad.words);
                // The next step is in flight when the scheduler learns of the refusal.
                scheduler.send(step(1, ++number).addRows(row(0, 10, 1)).addRows(row(1, 10, 1)));
                assertEquals(2, scheduler.result().getSampledCount());
                scheduler.send(step(1, ++number).addReleasedSlots(1));
                scheduler.result();
            }
        }
    }

    private record Refused(Admission.Builder admission, String words) {}

    private static final ByteString GARBAGE = ByteString.copyFrom(new byte[] {-1, -1, -1});

    private static Admission.Builder sampling(UnaryOperator<SamplingParams.Builder> change) {
        return admission(1, change.apply(TestSteps.greedy()));
    }

    private static Admission.Builder outputs(PromptOutputs.Builder outputs) {
        return admission(1, TestSteps.greedy()).setOutputs(outputs.build().toByteString());
    }

    private static LogitBias bias(int id) {
        return LogitBias.newBuilder().setTokenId(id).setBias(1).build();
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

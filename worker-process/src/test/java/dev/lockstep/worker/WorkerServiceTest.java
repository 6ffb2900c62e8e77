// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static dev.lockstep.worker.TestSteps.assertContains;
import static dev.lockstep.worker.TestSteps.assertServes;
import static dev.lockstep.worker.TestSteps.prefill;
import static dev.lockstep.worker.TestSteps.row;
import static dev.lockstep.worker.TestSteps.step;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Heartbeat;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.WorkerError;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The worker as a scheduler sees it, through a real stream.
class WorkerServiceTest extends TinyWorkerSetting {
    @Test
    void aJoinIsAnsweredWithTheFieldsThatRanksMustShare() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            Joined joined = scheduler.join(3);
            assertEquals(3, joined.getEpoch());
            assertEquals(0, joined.getRank());
            assertEquals("tiny", joined.getModel());
            assertEquals(TestWorker.INCARNATION, joined.getIncarnation());
            assertTrue(joined.getModelDigest().matches("[0-9a-f]{64}"), joined.getModelDigest());
            assertTrue(
                    joined.getTokenizerDigest().matches("[0-9a-f]{64}"),
                    joined.getTokenizerDigest());
            assertTrue(joined.getSettingsDigest().matches("[0-9a-f]{64}"));
            assertContains(joined.getSettings(), "max-model-len=128", "tensor-parallel=1");
            assertFalse(joined.getInstructionSet().isEmpty());
            assertEquals("f32", joined.getComputeType());
            assertEquals("f32", joined.getKvType());
            assertEquals(TestWorker.MAX_POSITIONS, joined.getMaxModelLen());
            assertEquals(TinyCheckpoint.VOCABULARY, joined.getVocabSize());
            assertEquals(WorkerConfig.BLOCK_SIZE, joined.getBlockSize());
            assertEquals(TestWorker.MAX_SEQUENCES, joined.getMaxNumSeqs());
            assertEquals(0, joined.getMaxNumBatchedTokens(), "to be measured");
            assertEquals(TestWorker.BLOCKS, joined.getKvBlocks());
            assertEquals(1, joined.getKvGroupsCount());
            assertEquals("full", joined.getKvGroups(0).getKind());
            assertEquals(TinyCheckpoint.LAYERS, joined.getKvGroups(0).getLayers());
            assertEquals(
                    TestWorker.BLOCKS * joined.getKvGroups(0).getBytesPerBlock(),
                    joined.getInfo().getKvBytes());
        }
    }

    @Test
    void stepsReturnTheTokensOfADirectSession() throws Exception {
        int count = 30;
        List<StepOutcome.Sampled> direct;
        try (Session session = worker.open(1)) {
            direct = TestWorker.generate(session, PROMPT, new int[0], count, TestWorker.seeded(42));
        }
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dialUnixSocket()) {
            scheduler.begin(1);
            List<Sampled> sampled = new ArrayList<>();
            scheduler.send(prefill(1).setRows(0, row(0, 0, 10, 1, 2, 3)));
            // One step is always in flight while another is computed.
            for (int i = 1; i < count; i++) {
                scheduler.send(step(1, i + 1).addRows(row(0, 10 + i - 1, 1)));
                sampled.addAll(resultOf(scheduler, i).getSampledList());
            }
            sampled.addAll(resultOf(scheduler, count).getSampledList());
            assertEquals(count, sampled.size());
            for (int i = 0; i < count; i++) {
                assertSame(direct.get(i), sampled.get(i));
            }
        }
    }

    private static StepResult resultOf(TestScheduler scheduler, long number) throws Exception {
        StepResult result = scheduler.result();
        assertEquals(number, result.getNumber());
        assertEquals(1, result.getEpoch());
        return result;
    }

    private static void assertSame(StepOutcome.Sampled expected, Sampled actual) throws Exception {
        StepOutcome.Logprobs logprobs = expected.logprobs().orElseThrow();
        Token token = Token.parseFrom(actual.getLogprobs());
        assertEquals(expected.slot(), actual.getSlot());
        assertEquals(expected.id(), actual.getId());
        assertEquals(expected.id(), token.getId());
        assertEquals(logprobs.chosen(), token.getLogprob(), 0f);
        assertEquals(logprobs.topIds().length, token.getTopLogprobsCount());
        for (int k = 0; k < logprobs.topIds().length; k++) {
            assertEquals(logprobs.topIds()[k], token.getTopLogprobs(k).getTokenId());
            assertEquals(logprobs.top()[k], token.getTopLogprobs(k).getLogprob(), 0f);
        }
    }

    @Test
    void withoutALimitTheChunkIsMeasured() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.join(1);
            Formed formed = scheduler.form(TestScheduler.form(1).setMaxNumBatchedTokens(0));
            int chunk = formed.getMaxNumBatchedTokens();
            assertTrue(chunk >= 1 && chunk <= TestWorker.MAX_TOKENS, "chunk " + chunk);
            assertEquals(1, formed.getEpoch());
            assertEquals(1, formed.getInfo().getThreads());
            assertFalse(formed.getInfo().getShard().isEmpty());
        }
    }

    @Test
    void aHeartbeatHasTheLastStepAndTheProgressOfTheDevice() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(5);
            scheduler.send(prefill(5));
            scheduler.result();
            Heartbeat heartbeat = scheduler.heartbeat().getHeartbeat();
            while (heartbeat.getLastStep() == 0) {
                heartbeat = scheduler.heartbeat().getHeartbeat();
            }
            assertEquals(5, heartbeat.getEpoch());
            assertEquals(1, heartbeat.getLastStep());
            assertTrue(heartbeat.getProgress() > 0);
        }
    }

    @Test
    void aWorkerIsReadyOnlyWhileAGroupIsFormed() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            assertTrue(served.nextReady());
            scheduler.join(2);
            assertFalse(served.nextReady(), "it forms again");
            scheduler.form(TestScheduler.form(2));
            assertTrue(served.nextReady());
            scheduler.breakOff();
            assertFalse(served.nextReady());
        }
    }

    // Lost streams.

    @Test
    void aBrokenStreamEndsItsEpochAndAHigherOneWorks() throws Exception {
        try (ServedWorker served = serve()) {
            try (TestScheduler scheduler = served.dial()) {
                scheduler.begin(1);
                scheduler.send(prefill(1));
                scheduler.breakOff();
            }
            assertTrue(served.nextReady());
            assertFalse(served.nextReady());
            try (TestScheduler stale = served.dial()) {
                stale.sendJoin("default", 1, 0, 1);
                assertEquals("1", stale.trailer(WorkerService.HIGHEST_EPOCH));
            }
            assertServes(served, 2);
        }
    }

    @Test
    void aStreamTheSchedulerCompletesIsCompletedBack() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            scheduler.complete();
            assertEquals(Status.Code.OK, scheduler.end().getCode());
            assertServes(served, 2);
        }
    }

    /// The result of a step that ends after its scheduler disconnected is dropped.
    @Tag("sweep")
    @Test
    void streamsThatBreakDuringStepsNeverStopTheStepThread() throws Exception {
        try (var served = new ServedWorker(worker, folder, "worker.after-step=sleep:20ms")) {
            for (long epoch = 1; epoch <= 20; epoch++) {
                try (TestScheduler scheduler = served.dial()) {
                    scheduler.begin(epoch);
                    scheduler.send(prefill(epoch));
                    scheduler.send(step(epoch, 2).addRows(row(0, 10, 1)));
                    TimeUnit.MILLISECONDS.sleep(epoch * 2);
                    scheduler.breakOff();
                }
            }
            assertServes(served, 21);
        }
    }

    // Too much, and too slow.

    @Test
    void moreStepsThanTheInboxHoldsAreRefused() throws Exception {
        var device = new LateKernels(TestWorker.openKernels());
        try (TestWorker busy =
                        TestWorker.onModel(folder, TestWorker.MAX_POSITIONS, device.kernels());
                var served = new ServedWorker(busy, folder, "");
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            device.late(true);
            scheduler.send(prefill(1));
            for (int number = 2; number <= 30; number++) {
                scheduler.send(step(1, number).addRows(row(0, 8 + number, 1)));
            }
            WorkerError error = scheduler.error();
            assertContains(error.getMessage(), "too many steps in flight");
            assertTrue(error.getNumber() > 2, error::toString);
            device.late(false);
        }
    }

    @Test
    void aFailedStepIsAnErrorAndDropsTheSession() throws Exception {
        try (var served = new ServedWorker(worker, folder, "worker.before-step=throw@2")) {
            try (TestScheduler scheduler = served.dial()) {
                scheduler.begin(1);
                scheduler.send(prefill(1));
                scheduler.send(step(1, 2).addRows(row(0, 10, 1)));
                scheduler.send(step(1, 3).addRows(row(0, 11, 1)));
                scheduler.result();
                WorkerError error = scheduler.error();
                assertEquals(2, error.getNumber());
                assertContains(error.getMessage(), "failpoint worker.before-step, hit 2");
                WorkerError late = scheduler.error();
                assertEquals(3, late.getNumber());
                assertContains(late.getMessage(), "epoch 1 is not formed");
            }
            assertServes(served, 2);
        }
    }

    @Test
    void aGroupThatCannotFormIsAnErrorAndTheNextOneWorks() throws Exception {
        try (var served = new ServedWorker(worker, folder, "worker.before-form=throw@1")) {
            try (TestScheduler scheduler = served.dial()) {
                scheduler.join(1);
                scheduler.sendForm(TestScheduler.form(1));
                WorkerMessage answer = scheduler.next();
                assertContains(answer.getError().getMessage(), "failpoint worker.before-form");
            }
            assertServes(served, 2);
        }
    }
}

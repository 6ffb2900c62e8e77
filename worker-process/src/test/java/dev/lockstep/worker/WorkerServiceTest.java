package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Heartbeat;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.WorkerError;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The worker as a scheduler sees it, through a real stream.
class WorkerServiceTest {
    private static final int[] PROMPT = {5, 17, 200, 31, 8, 99, 301, 12, 64, 77};

    @TempDir static Path folder;
    private static TestWorker worker;

    @BeforeAll
    static void load() throws IOException {
        worker = TestWorker.onTinyModel(folder);
    }

    @AfterAll
    static void unload() {
        worker.close();
    }

    private static ServedWorker serve() {
        return new ServedWorker(worker, folder, "");
    }

    private static dev.lockstep.proto.v1.Step.Builder step(long epoch, long number) {
        return dev.lockstep.proto.v1.Step.newBuilder().setEpoch(epoch).setNumber(number);
    }

    private static Row.Builder row(int slot, int computed, int count, Integer... newBlocks) {
        return Row.newBuilder()
                .setSlot(slot)
                .setComputed(computed)
                .setCount(count)
                .addNewBlocks(BlockList.newBuilder().addAllIds(List.of(newBlocks)));
    }

    private static SamplingParams.Builder seeded(long seed) {
        SamplingSettings same = TestWorker.seeded(seed);
        return SamplingParams.newBuilder()
                .setTemperature(same.temperature())
                .setTopP(same.topP())
                .setRepetitionPenalty(same.repetitionPenalty())
                .setFrequencyPenalty(same.frequencyPenalty())
                .setPresencePenalty(same.presencePenalty())
                .setSeed(seed)
                .setMaxTokens(100)
                .setLogprobs(true)
                .setTopLogprobs(same.topLogprobs());
    }

    private static Admission.Builder admission(int slot, SamplingParams.Builder sampling) {
        Admission.Builder admission = Admission.newBuilder().setSlot(slot).setSampling(sampling);
        for (int id : PROMPT) {
            admission.addPromptIds(id);
        }
        return admission;
    }

    /// Prefill of the prompt in slot 0, whose block 1 has room for six tokens more.
    private static dev.lockstep.proto.v1.Step.Builder prefill(long epoch) {
        return step(epoch, 1).addAdmitted(admission(0, seeded(42))).addRows(row(0, 0, 10, 1));
    }

    /// A new epoch works from its Join to a token.
    private static void assertServes(ServedWorker served, long epoch) throws Exception {
        try (TestScheduler scheduler = served.dial()) {
            scheduler.begin(epoch);
            scheduler.send(prefill(epoch));
            assertEquals(1, scheduler.result().getSampledCount());
        }
    }

    private static void assertContains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "\"" + word + "\" is not in: " + text);
        }
    }

    @Test
    void aJoinIsAnsweredWithAllThatRanksMustShare() throws Exception {
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
            assertFalse(joined.getEosTokenIdsList().isEmpty());
            assertEquals(1, joined.getKvGroupsCount());
            assertEquals("full", joined.getKvGroups(0).getKind());
            assertEquals(TinyCheckpoint.LAYERS, joined.getKvGroups(0).getLayers());
            assertEquals(
                    TestWorker.BLOCKS * joined.getKvGroups(0).getBytesPerBlock(),
                    joined.getInfo().getKvBytes());
        }
    }

    @Test
    void stepsGiveTheTokensOfADirectSession() throws Exception {
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
            // One step is always on its way while another is computed.
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

    private static void assertSame(StepOutcome.Sampled expected, Sampled actual) {
        assertEquals(expected.slot(), actual.getSlot());
        assertEquals(expected.id(), actual.getToken().getId());
        assertEquals(expected.logprob(), actual.getToken().getLogprob(), 0f);
        assertEquals(expected.topIds().length, actual.getToken().getTopLogprobsCount());
        for (int k = 0; k < expected.topIds().length; k++) {
            assertEquals(expected.topIds()[k], actual.getToken().getTopLogprobs(k).getTokenId());
            assertEquals(
                    expected.topLogprobs()[k],
                    actual.getToken().getTopLogprobs(k).getLogprob(),
                    0f);
        }
    }

    @Test
    void aChunkThatIsNotGivenIsMeasuredWithinTheLimits() throws Exception {
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
    void aHeartbeatTellsTheLastStepAndThatTheDeviceAdvances() throws Exception {
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
            assertTrue(nextReady(served));
            scheduler.join(2);
            assertFalse(nextReady(served), "it forms anew");
            scheduler.form(TestScheduler.form(2));
            assertTrue(nextReady(served));
            scheduler.breakOff();
            assertFalse(nextReady(served));
        }
    }

    private static boolean nextReady(ServedWorker served) throws InterruptedException {
        Boolean next = served.announced.poll(20, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("nothing was announced");
        }
        return next;
    }

    // The fence.

    @Test
    void aJoinThatIsNotAboveTheHighestEpochIsRefusedWithIt() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler first = served.dial()) {
            first.join(7);
            for (long stale : new long[] {6, 7, 0, -1}) {
                try (TestScheduler second = served.dial()) {
                    second.sendJoin("default", stale, 0, 1);
                    Status end = second.end();
                    assertEquals(Status.Code.FAILED_PRECONDITION, end.getCode());
                    assertEquals("7", second.trailer(WorkerService.HIGHEST_EPOCH));
                    assertContains(end + "", "stale epoch " + stale, "7");
                }
            }
            assertTrue(first.isOpenAfter(0), "a stale Join harms nobody");
        }
    }

    @Test
    void aHigherEpochEndsTheStreamOfTheLowerOneAndGoesOn() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler old = served.dial();
                TestScheduler next = served.dialUnixSocket()) {
            old.begin(1);
            old.send(prefill(1));
            old.result();
            next.begin(2);
            assertEquals(Status.Code.ABORTED, old.end().getCode());
            assertContains(old.end() + "", "epoch 2");
            next.send(prefill(2));
            assertEquals(2, next.result().getEpoch());
        }
    }

    @Test
    void aHigherEpochOnTheSameStreamGoesOnThere() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            scheduler.begin(2);
            scheduler.send(prefill(2));
            assertEquals(2, scheduler.result().getEpoch());
        }
    }

    @Test
    void aStreamCannotFormAnEpochItDidNotJoin() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler owner = served.dial();
                TestScheduler stranger = served.dial()) {
            owner.begin(4);
            stranger.sendForm(TestScheduler.form(3));
            assertContains(stranger.error().getMessage(), "not joined epoch 3");
            stranger.sendForm(TestScheduler.form(4));
            assertContains(stranger.error().getMessage(), "not joined epoch 4");
            stranger.send(prefill(4));
            assertContains(stranger.error().getMessage(), "not joined epoch 4");
            owner.sendForm(TestScheduler.form(5));
            assertContains(owner.error().getMessage(), "not joined epoch 5");
            owner.send(prefill(4));
            assertEquals(1, owner.result().getSampledCount(), "nobody took its session");
        }
    }

    @Test
    void aStepOutOfOrderEndsTheEpochAndAnotherOneWorks() throws Exception {
        try (ServedWorker served = serve()) {
            try (TestScheduler scheduler = served.dial()) {
                scheduler.begin(1);
                scheduler.send(prefill(1));
                scheduler.result();
                scheduler.send(step(1, 3).addRows(row(0, 10, 1)));
                WorkerError error = scheduler.error();
                assertEquals(1, error.getEpoch());
                assertEquals(3, error.getNumber());
                assertContains(error.getMessage(), "(1, 3)", "(1, 1)");
                // What was dropped stays dropped: the right step comes too late.
                scheduler.send(step(1, 2).addRows(row(0, 10, 1)));
                assertContains(scheduler.error().getMessage(), "epoch 1 is not formed");
            }
            assertServes(served, 2);
        }
    }

    @Test
    void aStepIsNotRunTwice() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            scheduler.send(prefill(1));
            scheduler.send(prefill(1));
            scheduler.result();
            assertContains(scheduler.error().getMessage(), "step (1, 1) after (1, 1)");
        }
    }

    @Test
    void stepsBeforeTheGroupIsFormedAreRefused() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler scheduler = served.dial()) {
            scheduler.join(1);
            scheduler.send(prefill(1));
            assertContains(scheduler.error().getMessage(), "epoch 1 is not formed");
        }
    }

    // What a correct scheduler never sends.

    @Test
    void malformedStepsAreErrorsThatTheProcessOutlives() throws Exception {
        SamplingParams.Builder greedy =
                SamplingParams.newBuilder().setTopP(1).setRepetitionPenalty(1).setMaxTokens(100);
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
                                            .addAdmitted(Admission.newBuilder().setSampling(greedy))
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
    void aFormThatAsksForMoreThanThereIsIsAnErrorThatTheProcessOutlives() throws Exception {
        try (ServedWorker served = serve()) {
            long epoch = 0;
            for (Malformed bad :
                    List.of(
                            new Malformed(step(0, 0), "34 KV blocks", "to 33"),
                            new Malformed(step(0, 0), "1 KV blocks", "2"),
                            new Malformed(step(0, 0), "KV blocks", "" + Long.MAX_VALUE),
                            new Malformed(step(0, 0), "0 sequences"),
                            new Malformed(step(0, 0), "-1 tokens"))) {
                var form = TestScheduler.form(++epoch);
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
            assertTrue(nextReady(served));
            scheduler.send(SchedulerMessage.newBuilder());
            assertEquals(Status.Code.INVALID_ARGUMENT, scheduler.end().getCode());
            assertFalse(nextReady(served));
            assertServes(served, 2);
        }
    }

    @Test
    void aJoinForAnotherPlaceIsRefusedNamingBoth() throws Exception {
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

    // Lost streams.

    @Test
    void aBrokenStreamEndsItsEpochAndAHigherOneWorks() throws Exception {
        try (ServedWorker served = serve()) {
            try (TestScheduler scheduler = served.dial()) {
                scheduler.begin(1);
                scheduler.send(prefill(1));
                scheduler.breakOff();
            }
            assertTrue(nextReady(served));
            assertFalse(nextReady(served));
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

    /// A step that ends after its scheduler went away answers into the void.
    @Test
    void streamsThatBreakDuringStepsNeverStopTheStepThread() throws Exception {
        try (ServedWorker served =
                new ServedWorker(worker, folder, "worker.after-step=sleep:20ms")) {
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
        try (ServedWorker served =
                        new ServedWorker(worker, folder, "worker.before-step=sleep:1s@1");
                TestScheduler scheduler = served.dial()) {
            scheduler.begin(1);
            for (int number = 1; number <= 30; number++) {
                scheduler.send(step(1, number));
            }
            WorkerError error = scheduler.error();
            assertContains(error.getMessage(), "too many steps in flight");
            assertTrue(error.getNumber() > 2, error::toString);
        }
    }

    @Test
    void aFailedStepIsAnErrorAndDropsTheSession() throws Exception {
        try (ServedWorker served = new ServedWorker(worker, folder, "worker.before-step=throw@2")) {
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
        try (ServedWorker served = new ServedWorker(worker, folder, "worker.before-form=throw@1")) {
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

package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.PROMPT;
import static dev.lockstep.worker.TestSteps.assertContains;
import static dev.lockstep.worker.TestSteps.assertServes;
import static dev.lockstep.worker.TestSteps.prefill;
import static dev.lockstep.worker.TestSteps.row;
import static dev.lockstep.worker.TestSteps.step;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
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
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// The worker as a scheduler sees it, through a real stream.
class WorkerServiceTest extends TinyWorkerSetting {
    @Test
    void aSocketPathThatIsTooLongIsRefusedWithItsLimit() {
        Path socket = folder.resolve("x".repeat(107)).resolve("worker.sock");
        int length = socket.toString().length();
        UncheckedIOException refusal =
                assertThrows(
                        UncheckedIOException.class,
                        () ->
                                WorkerServer.open(
                                        "127.0.0.1",
                                        0,
                                        socket,
                                        () -> ServerServiceDefinition.builder("none").build()));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains(length + " bytes, at most 107"), message);
        assertTrue(message.contains("--run-folder"), message);
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
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.WatchGroupRequest;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;

/// Tests the process as a coordinator uses it, over in-process streams and with fake ranks.
class SchedulerServiceTest {
    private static FixedCluster cluster() {
        return new FixedCluster(Runnable::run, Randomness.secure());
    }

    private static StatusRuntimeException failure(Rig.Call call) {
        ExecutionException failure = assertThrows(ExecutionException.class, call::await);
        return assertInstanceOf(StatusRuntimeException.class, failure.getCause());
    }

    private static void assertFails(Rig.Call call, Status.Code code, String... named) {
        Status status = failure(call).getStatus();
        assertEquals(code, status.getCode(), status.toString());
        for (String name : named) {
            assertTrue(String.valueOf(status.getDescription()).contains(name), status.toString());
        }
    }

    @Test
    void aRequestStreamsItsTokensAndThenItsEndWithUsage() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = Rig.request("a", 9, 5, 20).clearStopTokenIds().build();
            Rig.Call call = rig.generate(request).await();
            assertEquals(Rig.expected(request, 0), call.ids.get(0));
            GenerateEvent.Finished end = call.end(0);
            assertEquals(FinishReason.FINISH_REASON_LENGTH, end.getReason());
            assertEquals(-1, end.getStopTokenId());
            assertEquals(9, end.getUsage().getPromptTokens());
            assertEquals(20, end.getUsage().getCompletionTokens());
            rig.assertQuiet();
        }
    }

    @Test
    void aRepeatedRequestReportsHowMuchOfItsPromptWasCached() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = Rig.request("c", 9, 5, 3).clearStopTokenIds().build();
            assertEquals(0, rig.generate(request).await().end(0).getUsage().getCachedTokens());
            assertEquals(8, rig.generate(request).await().end(0).getUsage().getCachedTokens());
            rig.assertQuiet();
        }
    }

    @Test
    void theStopIdsOfARequestStopIt() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            boolean stopped = false;
            for (int seed = 0; seed < 20 && !stopped; seed++) {
                GenerateRequest request = Rig.request("e" + seed, 3, seed, 60).build();
                Rig.Call call = rig.generate(request).await();
                assertEquals(Rig.expected(request, 0), call.ids.get(0));
                stopped = call.end(0).getReason() == FinishReason.FINISH_REASON_STOP;
                assertEquals(stopped ? FakeWorker.END : -1, call.end(0).getStopTokenId());
            }
            assertTrue(stopped);
        }
    }

    @Test
    void choicesOfARequestHaveSeparateTokensAndOneUsage() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request =
                    Rig.request("n", 9, 5, 20).setChoices(2).clearStopTokenIds().build();
            Rig.Call call = rig.generate(request).await();
            assertEquals(Rig.expected(request, 0), call.ids.get(0));
            assertEquals(Rig.expected(request, 1), call.ids.get(1));
            assertFalse(call.end(0).hasUsage());
            assertEquals(40, call.end(1).getUsage().getCompletionTokens());
        }
    }

    @Test
    void aGroupThatDoesNotFormIsSaidOnceWithItsReasonAndThenThatItForms() throws Exception {
        try (var rig = new Rig()) {
            Member broken =
                    Member.worker("g", 0, 1, Rig.NOWHERE, 1, rig.randomness.nextIncarnation());
            Registration registered = rig.cluster.register(broken);
            String reason =
                    "the address of rank 0 (worker g/0 at nowhere:1) cannot be dialled: no such address";
            rig.awaitStatus(status -> status.getReason().equals(reason));
            assertEquals("group g is not formed: " + reason, rig.notices.take());
            // The keeper goes on.
            registered.close();
            rig.startRank(0, 1);
            rig.awaitReady();
            assertEquals("group g is formed", rig.notices.take());
            assertTrue(rig.notices.isEmpty());
        }
    }

    @Test
    void manyRequestsShareASmallPoolOverTwoRanksAndKeepTheirTokens() throws Exception {
        try (var rig = new Rig(cluster(), 2, new WaitingLimits(100, 10_000))) {
            rig.startRank(1, 2);
            rig.startRank(0, 2);
            GroupStatus ready = rig.awaitReady();
            assertEquals(2, ready.getRanksCount());
            assertEquals(32, ready.getMaxNumBatchedTokens());
            assertEquals(32, ready.getBlocksTotal());
            rig.ranks.forEach(FakeRank::hold);
            var requests = new ArrayList<GenerateRequest>();
            var calls = new ArrayList<Rig.Call>();
            for (int i = 0; i < 60; i++) {
                GenerateRequest.Builder request = Rig.request("m" + i, 3 + i % 30, i, 40);
                if (i % 2 == 0) {
                    request.clearStopTokenIds();
                }
                requests.add(request.build());
                calls.add(rig.generate(requests.getLast()));
            }
            rig.awaitStatus(it -> it.getRunning() + it.getWaiting() == 60);
            rig.ranks.forEach(FakeRank::release);
            for (int i = 0; i < 60; i++) {
                assertEquals(Rig.expected(requests.get(i), 0), calls.get(i).await().ids.get(0));
            }
            rig.assertQuiet();
            GroupStatus status = rig.awaitReady();
            assertTrue(status.getPreemptions() > 0, status.toString());
            assertTrue(status.getMixedSteps() > 0, status.toString());
        }
    }

    @Test
    void aCancelledCallFreesItsBlocks() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            Context.CancellableContext context = Context.current().withCancellation();
            var call = new Rig.Call();
            GenerateRequest request = Rig.request("c", 30, 1, 50).build();
            context.run(() -> rig.stub().generate(request, call));
            rig.awaitStatus(it -> it.getRunning() == 1);
            context.cancel(null);
            rig.awaitStatus(it -> it.getRunning() == 0);
            rank.release();
            rig.assertQuiet();
        }
    }

    /// Fills all 8 slots of a rank that holds its answers.
    private static List<Rig.Call> fillSlots(Rig rig, FakeRank rank) throws Exception {
        rank.hold();
        var calls = new ArrayList<Rig.Call>();
        for (int i = 0; i < 8; i++) {
            GenerateRequest.Builder request = Rig.request("h" + i, 3, i, 30).clearStopTokenIds();
            calls.add(rig.generate(request.build()));
            if (i == 0) {
                Eventually.await("two steps are held", () -> rank.heldSteps() == Scheduler.DEPTH);
            }
        }
        rig.awaitStatus(it -> it.getWaiting() == 7);
        rank.answer();
        rig.awaitStatus(it -> it.getRunning() == 8);
        return calls;
    }

    @Test
    void aFullQueueIsRefusedWithATimeToTryAgain() throws Exception {
        try (var rig = new Rig(cluster(), 1, new WaitingLimits(9, 1000))) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            List<Rig.Call> calls = fillSlots(rig, rank);
            for (int i = 0; i < 9; i++) {
                calls.add(rig.generate(Rig.request("q" + i, 3, i, 4).build()));
            }
            rig.awaitStatus(it -> it.getWaiting() == 9);
            Rig.Call full = rig.generate(Rig.request("full", 3, 1, 4).build());
            StatusRuntimeException failure = failure(full);
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, failure.getStatus().getCode());
            Metadata trailers = failure.getTrailers();
            long wait = Long.parseLong(trailers == null ? "0" : trailers.get(RETRY_AFTER_MS));
            assertTrue(wait >= 1000 && wait <= 30_000, "retry after " + wait + " ms");
            rank.release();
            for (Rig.Call call : calls) {
                call.await();
            }
            rig.assertQuiet();
        }
    }

    private static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    @Test
    void aPoolThatTheSchedulersHeapCannotHoldIsRefusedWithItsNumbers() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1, joined -> joined.setKvBlocks(1 << 30));
            GroupStatus status = rig.awaitStatus(it -> it.getReason().contains("KV blocks"));
            long heap = Runtime.getRuntime().maxMemory() >> 20;
            for (String named : List.of("1073741824", "heap of " + heap + " MiB", "--kv-memory")) {
                assertTrue(status.getReason().contains(named), status.getReason());
            }
        }
    }

    @Test
    void badFieldsAreRefusedByName() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest good = Rig.request("b", 3, 1, 4).build();
            Status.Code invalid = Status.Code.INVALID_ARGUMENT;
            assertFails(
                    rig.generate(good.toBuilder().setPromptIds(1, 40).build()),
                    invalid,
                    "prompt_ids[1] is 40",
                    "40 tokens");
            assertFails(
                    rig.generate(good.toBuilder().setPromptIds(0, -1).build()),
                    invalid,
                    "prompt_ids[0] is -1");
            assertFails(
                    rig.generate(good.toBuilder().clearPromptIds().build()), invalid, "prompt_ids");
            assertFails(rig.generate(good.toBuilder().clearChoices().build()), invalid, "choices");
            assertFails(rig.generate(good.toBuilder().setAdapter("x").build()), invalid, "adapter");
            assertFails(
                    rig.generate(good.toBuilder().setCachePriority(101).build()),
                    invalid,
                    "cache_priority is 101",
                    "100");
            assertFails(
                    rig.generate(good.toBuilder().setDeadlineMs(-1).build()),
                    invalid,
                    "deadline_ms is -1");
            assertFails(
                    rig.generate(Rig.request("b", 3, 1, 0).build()), invalid, "max_tokens is 0");
            SamplingParams.Builder biased = SamplingParams.newBuilder();
            biased.addLogitBias(LogitBias.newBuilder().setTokenId(40).setBias(1));
            assertFails(
                    rig.generate(
                            good.toBuilder().setSampling(biased.build().toByteString()).build()),
                    invalid,
                    "logit_bias is 40",
                    "40 tokens");
            assertFails(
                    rig.generate(
                            good.toBuilder().setSampling(ByteString.copyFromUtf8("?")).build()),
                    invalid,
                    "sampling is not");
            assertFails(
                    rig.generate(Rig.request("b", 3, 1, 4).addStopTokenIds(99).build()),
                    invalid,
                    "stop_token_ids is 99");
            assertFails(
                    rig.generate(Rig.request("b", 100, 1, 21).build()),
                    invalid,
                    "prompt of 100 tokens",
                    "120");
            rig.assertQuiet();
        }
    }

    @Test
    void aTimelineIsShownToTheTenantOfItsRequestOnly() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            // A prompt shorter than a block, because the fake rank knows names without a tenant
            // only.
            rig.generate(Rig.request("a", 2, 5, 1).setTenant("acme").build()).await();
            assertEquals(1, rig.describe("a", "acme").getChoicesCount());
            for (String other : List.of("", "globex", "acm", "acme ")) {
                StatusRuntimeException refusal =
                        assertThrows(StatusRuntimeException.class, () -> rig.describe("a", other));
                assertEquals(Status.Code.NOT_FOUND, refusal.getStatus().getCode());
                assertEquals(
                        "request a is unknown or forgotten", refusal.getStatus().getDescription());
            }
        }
    }

    /// The scheduler passes settings on unread; what the workers refuse ends its request alone.
    @Test
    void aRequestThatTheWorkersRefuseEndsAloneAndTheGroupGoesOn() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            long epoch = rig.awaitReady().getEpoch();
            rank.hold();
            GenerateRequest good = Rig.request("good", 9, 5, 20).build();
            Rig.Call before = rig.generate(good);
            Rig.Call refused =
                    rig.generate(
                            Rig.request("bad", 9, 6, 20)
                                    .setChoices(2)
                                    .setSampling(
                                            SamplingParams.newBuilder()
                                                    .setTopP(7)
                                                    .build()
                                                    .toByteString())
                                    .build());
            rank.release();
            assertFails(refused, Status.Code.INVALID_ARGUMENT, "top_p is above 1");
            assertEquals(Rig.expected(good, 0), before.await().ids.get(0));
            assertEquals(Rig.expected(good, 0), rig.generate(good).await().ids.get(0));
            rig.assertQuiet();
            assertEquals(epoch, rig.awaitReady().getEpoch());
        }
    }

    @Test
    void aLostRankAbortsWhatRunsAndTheNextGroupServesWhatWaited() throws Exception {
        try (var rig = new Rig(cluster(), 2, new WaitingLimits(100, 1000))) {
            FakeRank first = rig.startRank(0, 2);
            rig.startRank(1, 2);
            long epoch = rig.awaitReady().getEpoch();
            List<Rig.Call> running = fillSlots(rig, first);
            GenerateRequest request = Rig.request("w", 3, 9, 30).build();
            Rig.Call waiting = rig.generate(request);
            rig.awaitStatus(it -> it.getWaiting() == 1);
            first.die();
            for (Rig.Call call : running) {
                assertFails(call, Status.Code.ABORTED, "group was lost", "rank 0");
            }
            assertEquals(Rig.expected(request, 0), waiting.await().ids.get(0));
            assertTrue(rig.awaitReady().getEpoch() > epoch);
            rig.assertQuiet();
        }
    }

    @Test
    void aRestartedRankFormsTheGroupAgain() throws Exception {
        try (var rig = new Rig()) {
            FakeRank first = rig.startRank(0, 1);
            rig.awaitReady();
            FakeRank second = rig.startRank(0, 1);
            first.die();
            rig.awaitStatus(it -> it.getReady() && second.joins() == 1);
            assertEquals(1, first.joins());
        }
    }

    @Test
    void ranksThatDifferAreNotServedAndTheStatusSaysWhy() throws Exception {
        try (var rig = new Rig(cluster(), 2, new WaitingLimits(100, 1000))) {
            rig.startRank(0, 2);
            rig.awaitStatus(it -> it.getReason().contains("1 of 2 workers"));
            rig.startRank(1, 2, joined -> joined.setModelDigest("d2"));
            GroupStatus status =
                    rig.awaitStatus(it -> it.getReason().contains("model digest differs"));
            assertTrue(status.getReason().contains("d1") && status.getReason().contains("d2"));
            assertFalse(status.getReady());
            Rig.Call call = rig.generate(Rig.request("a", 3, 1, 4).build());
            assertFails(call, Status.Code.UNAVAILABLE, "model digest differs");
            rig.startRank(1, 2);
            rig.awaitReady();
        }
    }

    @Test
    void ranksOfAnotherGroupSizeAreNamed() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 3);
            GroupStatus status = rig.awaitStatus(it -> it.getReason().contains("one of 3 ranks"));
            assertTrue(status.getReason().contains("--tensor-parallel 1"));
        }
    }

    @Test
    void anEpochAboveWhatTheRanksHaveSeenIsUsed() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.sawEpoch(700);
            rank.die();
            assertEquals(701, rig.awaitStatus(it -> it.getEpoch() == 701).getEpoch());
        }
    }

    @Test
    void aStandbyRefusesAndLeadsWhenTheLeaderIsGone() throws Exception {
        FixedCluster shared = cluster();
        var limits = new WaitingLimits(100, 1000);
        try (var leader = new Rig(shared, 1, limits)) {
            FakeRank rank = leader.startRank(0, 1);
            long epoch = leader.awaitReady().getEpoch();
            try (var standby = new Rig(shared.another(Runnable::run), 1, limits)) {
                standby.awaitStatus(it -> it.getReason().contains("does not lead"));
                Rig.Call refused = standby.generate(Rig.request("s", 3, 1, 4).build());
                assertFails(refused, Status.Code.FAILED_PRECONDITION, "does not lead group g");
                leader.resign();
                assertTrue(standby.awaitReady().getEpoch() > epoch);
                assertEquals(2, rank.joins());
            }
        }
    }

    @Test
    void aDrainingSchedulerFinishesWhatItHasAndRefusesTheRest() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            GenerateRequest request = Rig.request("d", 3, 1, 30).build();
            Rig.Call running = rig.generate(request);
            rig.awaitStatus(it -> it.getRunning() == 1);
            assertFalse(rig.loop.drain(Duration.ofMillis(10)));
            Rig.Call refused = rig.generate(Rig.request("late", 3, 1, 4).build());
            assertFails(refused, Status.Code.UNAVAILABLE, "draining");
            rank.release();
            assertEquals(Rig.expected(request, 0), running.await().ids.get(0));
            assertTrue(rig.loop.drain(Eventually.TIMEOUT));
        }
    }

    @Test
    void aStoppedSchedulerEndsEveryRequest() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1).hold();
            rig.awaitReady();
            rig.ranks.getFirst().hold();
            Rig.Call running = rig.generate(Rig.request("d", 3, 1, 30).build());
            rig.awaitStatus(it -> it.getRunning() == 1);
            rig.loop.close();
            assertFails(running, Status.Code.UNAVAILABLE, "stopped");
        }
    }

    @Test
    void watchersReceiveTheStatusAtLeastOnceASecond() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            var arrivals = new LinkedBlockingQueue<Long>();
            rig.stub()
                    .watchGroup(
                            WatchGroupRequest.getDefaultInstance(),
                            new io.grpc.stub.StreamObserver<>() {
                                @Override
                                public void onNext(GroupStatus status) {
                                    arrivals.add(System.nanoTime());
                                }

                                @Override
                                public void onError(Throwable failure) {}

                                @Override
                                public void onCompleted() {}
                            });
            // The first is sent at once, and the second may be due to the start.
            arrivals.take();
            long first = arrivals.take();
            long last = first;
            long shortest = Long.MAX_VALUE;
            for (int i = 0; i < 3; i++) {
                long next = arrivals.take();
                shortest = Math.min(shortest, next - last);
                last = next;
            }
            // A busy machine lengthens some of the three gaps, not all.
            assertTrue(shortest < 1_500_000_000L, "every " + shortest / 1_000_000 + " ms or less");
            assertTrue(last - first > 1_500_000_000L, "three at once, though nothing changed");
        }
    }
}

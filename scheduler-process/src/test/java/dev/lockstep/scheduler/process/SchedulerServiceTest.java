// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.ChoiceTimeline;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.SetDrainingRequest;
import dev.lockstep.proto.v1.WatchGroupRequest;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;

/// Tests the process as a coordinator uses it, over in-process streams and with fake ranks.
class SchedulerServiceTest {
    @Test
    void aRequestStreamsItsTokensAndThenItsEndWithUsage() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = Rig.request("a", 9, 5, 20).clearStopTokenIds().build();
            TestCall call = rig.generate(request).await();
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
                TestCall call = rig.generate(request).await();
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
            TestCall call = rig.generate(request).await();
            assertEquals(Rig.expected(request, 0), call.ids.get(0));
            assertEquals(Rig.expected(request, 1), call.ids.get(1));
            assertFalse(call.end(0).hasUsage());
            assertEquals(40, call.end(1).getUsage().getCompletionTokens());
        }
    }

    @Test
    void manyRequestsShareASmallPoolOverTwoRanksAndKeepTheirTokens() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 2, new WaitingLimits(100, 10_000))) {
            rig.startRank(1, 2);
            rig.startRank(0, 2);
            GroupStatus ready = rig.awaitReady();
            assertEquals(2, ready.getRanksCount());
            assertEquals(32, ready.getMaxNumBatchedTokens());
            assertEquals(32, ready.getBlocksTotal());
            rig.ranks.forEach(FakeRank::hold);
            var requests = new ArrayList<GenerateRequest>();
            var calls = new ArrayList<TestCall>();
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
            var call = new TestCall();
            GenerateRequest request = Rig.request("c", 30, 1, 50).build();
            context.run(() -> rig.stub().generate(request, call));
            rig.awaitStatus(it -> it.getRunning() == 1);
            context.cancel(null);
            rig.awaitStatus(it -> it.getRunning() == 0);
            rank.release();
            rig.assertQuiet();
        }
    }

    @Test
    void aFullQueueIsRefusedWithATimeToTryAgain() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 1, new WaitingLimits(9, 1000))) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            List<TestCall> calls = rig.fillSlots(rank);
            for (int i = 0; i < 9; i++) {
                calls.add(rig.generate(Rig.request("q" + i, 3, i, 4).build()));
            }
            rig.awaitStatus(it -> it.getWaiting() == 9);
            TestCall full = rig.generate(Rig.request("full", 3, 1, 4).build());
            StatusRuntimeException failure = full.failure();
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, failure.getStatus().getCode());
            Metadata trailers = failure.getTrailers();
            long wait = Long.parseLong(trailers == null ? "0" : trailers.get(RETRY_AFTER_MS));
            assertTrue(wait >= 1000 && wait <= 30_000, "retry after " + wait + " ms");
            rank.release();
            for (TestCall call : calls) {
                call.await();
            }
            rig.assertQuiet();
        }
    }

    private static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    @Test
    void badFieldsAreRefusedByName() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest good = Rig.request("b", 3, 1, 4).build();
            Status.Code invalid = Status.Code.INVALID_ARGUMENT;
            rig.generate(good.toBuilder().setPromptIds(1, 40).build())
                    .assertFails(invalid, "prompt_ids[1] is 40", "40 tokens");
            rig.generate(good.toBuilder().setPromptIds(0, -1).build())
                    .assertFails(invalid, "prompt_ids[0] is -1");
            rig.generate(good.toBuilder().clearPromptIds().build())
                    .assertFails(invalid, "prompt_ids");
            rig.generate(good.toBuilder().clearChoices().build()).assertFails(invalid, "choices");
            rig.generate(good.toBuilder().setAdapter("x").build()).assertFails(invalid, "adapter");
            rig.generate(good.toBuilder().setCachePriority(101).build())
                    .assertFails(invalid, "cache_priority is 101", "100");
            rig.generate(good.toBuilder().setDeadlineMs(-1).build())
                    .assertFails(invalid, "deadline_ms is -1");
            rig.generate(Rig.request("b", 3, 1, 0).build()).assertFails(invalid, "max_tokens is 0");
            SamplingParams.Builder biased = SamplingParams.newBuilder();
            biased.addLogitBias(LogitBias.newBuilder().setTokenId(40).setBias(1));
            rig.generate(good.toBuilder().setSampling(biased.build().toByteString()).build())
                    .assertFails(invalid, "logit_bias is 40", "40 tokens");
            rig.generate(good.toBuilder().setSampling(ByteString.copyFromUtf8("?")).build())
                    .assertFails(invalid, "sampling is not");
            rig.generate(Rig.request("b", 3, 1, 4).addStopTokenIds(99).build())
                    .assertFails(invalid, "stop_token_ids is 99");
            rig.generate(Rig.request("b", 100, 1, 21).build())
                    .assertFails(invalid, "prompt of 100 tokens", "120");
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
            TestCall before = rig.generate(good);
            TestCall refused =
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
            refused.assertFails(Status.Code.INVALID_ARGUMENT, "top_p is above 1");
            assertEquals(Rig.expected(good, 0), before.await().ids.get(0));
            assertEquals(Rig.expected(good, 0), rig.generate(good).await().ids.get(0));
            rig.assertQuiet();
            assertEquals(epoch, rig.awaitReady().getEpoch());
        }
    }

    @Test
    void aDrainingSchedulerFinishesWhatItHasAndRefusesTheRest() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            GenerateRequest request = Rig.request("d", 3, 1, 30).build();
            TestCall running = rig.generate(request);
            rig.awaitStatus(it -> it.getRunning() == 1);
            assertFalse(rig.loop.drain(Duration.ofMillis(10)));
            TestCall refused = rig.generate(Rig.request("late", 3, 1, 4).build());
            refused.assertFails(Status.Code.UNAVAILABLE, "draining");
            rank.release();
            assertEquals(Rig.expected(request, 0), running.await().ids.get(0));
            assertTrue(rig.loop.drain(Eventually.TIMEOUT));
        }
    }

    @Test
    void aDrainedGroupFinishesWhatItHasAndCanBeBroughtBack() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            GenerateRequest request = Rig.request("d", 3, 1, 30).build();
            TestCall running = rig.generate(request);
            rig.awaitStatus(it -> it.getRunning() == 1);
            setDraining(rig, true);
            GroupStatus draining = rig.awaitStatus(GroupStatus::getDraining);
            assertFalse(draining.getReady());
            assertEquals("draining", draining.getReason());
            rig.generate(Rig.request("late", 3, 1, 4).build())
                    .assertFails(Status.Code.UNAVAILABLE, "draining");
            rank.release();
            assertEquals(Rig.expected(request, 0), running.await().ids.get(0));
            setDraining(rig, false);
            assertFalse(rig.awaitReady().getDraining());
            GenerateRequest next = Rig.request("next", 3, 1, 4).build();
            assertEquals(Rig.expected(next, 0), rig.generate(next).await().ids.get(0));
        }
    }

    private static void setDraining(Rig rig, boolean wanted) {
        var _ =
                SchedulerGrpc.newBlockingStub(rig.stub().getChannel())
                        .setDraining(SetDrainingRequest.newBuilder().setDraining(wanted).build());
    }

    /// Nothing finishes without a group: coordinators give the requests to another one.
    @Test
    void aDrainDoesNotWaitForTheNextGroup() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            TestCall running = rig.generate(Rig.request("d", 3, 1, 30).build());
            rig.awaitStatus(it -> it.getRunning() == 1);
            assertFalse(rig.loop.drain(Duration.ofMillis(10)));
            rank.die();
            assertTrue(rig.loop.drain(Eventually.TIMEOUT));
            rig.loop.close();
            running.assertFails(Status.Code.UNAVAILABLE, "stopped");
        }
    }

    @Test
    void aStoppedSchedulerEndsEveryRequest() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1).hold();
            rig.awaitReady();
            rig.ranks.getFirst().hold();
            TestCall running = rig.generate(Rig.request("d", 3, 1, 30).build());
            rig.awaitStatus(it -> it.getRunning() == 1);
            rig.loop.close();
            running.assertFails(Status.Code.UNAVAILABLE, "stopped");
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

    /// What another scheduler had generated is part of the context, and is not sent again.
    @Test
    void aRequestThatAnotherSchedulerHadAcceptedGoesOn() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            GenerateRequest request = Rig.request("m", 3, 5, 30).setChoices(3).build();
            TestCall whole = rig.generate(request);
            whole.await();
            GenerateRequest.Builder again = request.toBuilder();
            List<Integer> begun = requireNonNull(whole.ids.get(1)).subList(0, 2);
            again.addCommitted(CommittedChoice.newBuilder().setChoice(1).addAllIds(begun));
            again.addCommitted(CommittedChoice.newBuilder().setChoice(2));
            TestCall rest = new TestCall().after(1, begun);
            rig.stub().generate(again.build(), rest);
            rest.await();
            assertEquals(whole.ids.get(1), rest.ids.get(1));
            assertEquals(whole.ids.get(2), rest.ids.get(2));
            assertFalse(rest.ids.containsKey(0));
            rig.awaitStatus(it -> it.getMigrations() == 1);
            // The timeline of the same request at its first scheduler comes before.
            ChoiceTimeline moved = rig.describe("m", "").getChoices(3);
            assertEquals("queued", moved.getEvents(0).getKind());
            assertEquals("moved", moved.getEvents(1).getKind());
            rig.assertQuiet();
        }
    }
}

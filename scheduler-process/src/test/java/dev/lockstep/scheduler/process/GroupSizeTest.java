// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.SetRanksRequest;
import dev.lockstep.proto.v1.SetRanksResponse;
import dev.lockstep.proto.v1.TimelineEvent;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class GroupSizeTest {
    private static final GroupStatus ONE_RANK =
            GroupStatus.newBuilder()
                    .setGroup("g")
                    .setReady(true)
                    .addRanks(RankInfo.getDefaultInstance())
                    .build();

    private final List<String> said = new ArrayList<>();
    private final GroupSize size = new GroupSize(1, Optional.of(said::add));

    @Test
    void aWishIsPassedOnAndEndsWithWhatTheLauncherSays() {
        for (RankLine end :
                List.of(
                        new RankLine.Done(2),
                        new RankLine.Refused("no memory"),
                        new RankLine.Failed("worker-1-of-2 ended"))) {
            said.clear();
            CompletableFuture<Status> wish = size.want(2, ONE_RANK);
            assertEquals(List.of(new RankLine.Wanted(2).text()), said);
            assertRefused(
                    Status.Code.ABORTED,
                    "group g is being resized to 2 ranks",
                    size.want(3, ONE_RANK));
            assertFalse(wish.isDone());
            size.hear(end.text());
            Status status = wish.join();
            switch (end) {
                case RankLine.Refused(String why) ->
                        assertRefused(Status.Code.FAILED_PRECONDITION, why, wish);
                case RankLine.Failed(String why) -> assertRefused(Status.Code.ABORTED, why, wish);
                case RankLine.Wanted _, RankLine.Unformed _, RankLine.Ranks _, RankLine.Done _ ->
                        assertTrue(status.isOk());
            }
        }
    }

    @Test
    void aWishThatNeedsNoLauncherOrHasNoneIsAnsweredAtOnce() {
        assertTrue(size.want(1, ONE_RANK).join().isOk(), "it has one rank");
        assertRefused(
                Status.Code.INVALID_ARGUMENT, "ranks is 0, the least is 1", size.want(0, ONE_RANK));
        assertRefused(
                Status.Code.INVALID_ARGUMENT,
                "ranks is 1025, the most is 1024",
                size.want(1025, ONE_RANK));
        assertRefused(
                Status.Code.FAILED_PRECONDITION,
                "group g drains: bring it back into service first",
                size.want(2, ONE_RANK.toBuilder().setReady(false).setDraining(true).build()));
        assertRefused(
                Status.Code.UNAVAILABLE,
                "group g does not serve: it has 0 of 1 workers",
                size.want(
                        2,
                        ONE_RANK.toBuilder()
                                .setReady(false)
                                .setReason("it has 0 of 1 workers")
                                .build()));
        assertRefused(
                Status.Code.FAILED_PRECONDITION,
                "group g was not started by lockstep serve, which starts the workers of another number of ranks: stop its workers and its scheduler, and start them with --tensor-parallel=2",
                new GroupSize(1, Optional.empty()).want(2, ONE_RANK));
        assertEquals(List.of(), said);
    }

    /// A launcher that served an earlier scheduler may answer the wish which that one passed on.
    @Test
    void aWishIsNotFulfilledByAnotherNumberOfRanks() {
        CompletableFuture<Status> wish = size.want(2, ONE_RANK);
        size.hear(new RankLine.Done(3).text());
        assertFalse(wish.isDone());
        size.hear(new RankLine.Done(2).text());
        assertTrue(wish.join().isOk());
    }

    @Test
    void linesThatAreNotForASchedulerChangeNothing() {
        for (String line : List.of("nonsense", new RankLine.Wanted(3).text())) {
            size.hear(line);
        }
        assertEquals(1, size.ranks());
    }

    private static void assertRefused(Status.Code code, String why, Future<Status> answer) {
        assertTrue(answer.isDone());
        assertEquals(code, answer.resultNow().getCode());
        assertEquals(why, answer.resultNow().getDescription());
    }

    /// The group goes to two ranks and back to the one that still runs; what one rank has computed
    /// is not found by two, and nobody counts as failed.
    @Test
    void theRequestsOfAGroupGoOnWithAnotherNumberOfRanks() throws Exception {
        try (var rig = new Rig()) {
            FakeRank single = rig.startRank(0, 1);
            long epoch = rig.awaitReady().getEpoch();
            List<TestCall> running = rig.fillSlots(single);
            rig.startRank(0, 2);
            rig.startRank(1, 2);
            assertEquals(epoch, rig.awaitReady().getEpoch(), "it serves until it is told");
            Future<SetRanksResponse> wish = setRanks(rig, 2);
            assertEquals(new RankLine.Wanted(2).text(), rig.wishes.take());
            rig.size.hear(new RankLine.Ranks(2).text());
            for (int i = 0; i < running.size(); i++) {
                GenerateRequest begun = Rig.request("h" + i, 3, i, 30).clearStopTokenIds().build();
                assertEquals(Rig.expected(begun, 0), running.get(i).await().ids.get(0));
            }
            assertFalse(wish.isDone(), "the launcher says when it is done");
            rig.size.hear(new RankLine.Done(2).text());
            Eventually.await("the wish is fulfilled", wish::isDone);
            GroupStatus two = rig.awaitStatus(it -> it.getReady() && it.getRanksCount() == 2);
            assertTrue(two.getEpoch() > epoch);
            assertEquals(running.size(), two.getMigrations());
            assertEquals(0, two.getPoisoned());
            List<String> kinds =
                    rig.describe("h0", "").getChoices(0).getEventsList().stream()
                            .map(TimelineEvent::getKind)
                            .toList();
            assertTrue(kinds.containsAll(List.of("parked", "resumed", "finished")), "" + kinds);
            // The launcher takes it back.
            rig.size.hear(new RankLine.Ranks(1).text());
            GroupStatus one = rig.awaitStatus(it -> it.getReady() && it.getRanksCount() == 1);
            assertTrue(one.getEpoch() > two.getEpoch());
            assertEquals(2, single.joins());
            rig.assertQuiet();
        }
    }

    /// A request that was in one death may have caused it; a change of the number of ranks is none.
    @Test
    void noRequestIsSuspectedBecauseOfAResize() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            GenerateRequest request = Rig.request("a", 3, 1, 30).clearStopTokenIds().build();
            TestCall call = rig.generate(request);
            Eventually.await("a step is held", () -> rank.heldSteps() > 0);
            FakeRank first = rig.startRank(0, 2);
            rig.startRank(1, 2);
            first.dieOf(request.getPromptIdsList());
            rig.size.hear(new RankLine.Ranks(2).text());
            // One that had been suspected before would not have had the second one.
            call.assertFails(Status.Code.ABORTED, "failed for the second time");
            GroupStatus after = rig.awaitStatus(it -> it.getReady() && it.getPoisoned() == 1);
            assertEquals(2, after.getLosses(), "two deaths, and the resize is none");
        }
    }

    @Test
    void theLauncherLearnsThatRanksDoNotFitTogether() throws Exception {
        try (var rig = new Rig()) {
            rig.startRank(0, 1);
            rig.awaitReady();
            rig.startRank(0, 2);
            rig.startRank(1, 2, joined -> joined.setModelDigest("other"));
            rig.size.hear(new RankLine.Ranks(2).text());
            String line = rig.wishes.take();
            assertTrue(
                    RankLine.parse(line).orElseThrow() instanceof RankLine.Unformed(String why)
                            && why.startsWith("model digest differs"),
                    line);
            rig.size.hear(new RankLine.Ranks(1).text());
            assertEquals(1, rig.awaitReady().getRanksCount());
        }
    }

    @Test
    void aDrainedGroupIsNotResized() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 1, new WaitingLimits(100, 1000))) {
            rig.startRank(0, 1);
            rig.awaitReady();
            var _ = rig.loop.inbox().setDraining(true).get();
            rig.awaitStatus(GroupStatus::getDraining);
            Future<SetRanksResponse> wish = setRanks(rig, 2);
            Exception refused = assertThrows(Exception.class, wish::get);
            assertEquals(
                    Status.Code.FAILED_PRECONDITION,
                    Status.fromThrowable(refused).getCode(),
                    refused::toString);
            assertTrue(rig.wishes.isEmpty());
        }
    }

    private static Future<SetRanksResponse> setRanks(Rig rig, int ranks) {
        return SchedulerGrpc.newFutureStub(rig.stub().getChannel())
                .setRanks(SetRanksRequest.newBuilder().setRanks(ranks).build());
    }
}

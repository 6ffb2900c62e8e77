// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.TimelineEvent;
import dev.lockstep.scheduler.SequenceFacts;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What requests get while a group forms, is lost, and forms again; over in-process streams and
/// with fake ranks.
class ServedGroupTest {
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
    void theRequestsOfALostGroupGoOnInTheNext() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 2, new WaitingLimits(100, 1000))) {
            FakeRank first = rig.startRank(0, 2);
            rig.startRank(1, 2);
            long epoch = rig.awaitReady().getEpoch();
            List<TestCall> running = rig.fillSlots(first);
            GenerateRequest request = Rig.request("w", 3, 9, 30).build();
            TestCall waiting = rig.generate(request);
            rig.awaitStatus(it -> it.getWaiting() == 1);
            first.die();
            for (int i = 0; i < running.size(); i++) {
                GenerateRequest begun = Rig.request("h" + i, 3, i, 30).clearStopTokenIds().build();
                assertEquals(Rig.expected(begun, 0), running.get(i).await().ids.get(0));
            }
            assertEquals(Rig.expected(request, 0), waiting.await().ids.get(0));
            GroupStatus again =
                    rig.awaitStatus(
                            it -> it.getReady() && it.getRecomputedTokens() >= 3L * running.size());
            assertTrue(again.getEpoch() > epoch);
            assertEquals(2, again.getFormations());
            assertEquals(1, again.getLosses());
            assertEquals(running.size(), again.getMigrations(), "the waiting one had not begun");
            assertEquals(0, again.getParked());
            List<String> kinds =
                    rig.describe("h0", "").getChoices(0).getEventsList().stream()
                            .map(TimelineEvent::getKind)
                            .toList();
            assertTrue(kinds.containsAll(List.of("parked", "resumed", "finished")), "" + kinds);
            rig.assertQuiet();
        }
    }

    @Test
    void theStateOfTheLoopHasEverySequenceAndBlocksThatBalance() throws Exception {
        try (var rig = new Rig()) {
            SchedulerFacts starting = rig.loop.inbox().inspect().get();
            assertEquals(0, starting.epoch());
            assertFalse(starting.reason().isEmpty());
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            List<TestCall> running = rig.fillSlots(rank);
            TestCall waiting = rig.generate(Rig.request("w", 3, 9, 30).build());
            rig.awaitStatus(it -> it.getWaiting() == 1);
            SchedulerFacts facts = rig.loop.inbox().inspect().get();
            assertEquals("", facts.reason());
            assertTrue(facts.epoch() > 0);
            assertEquals(8, facts.running());
            assertEquals(9, facts.sequences().size());
            SequenceFacts last = facts.sequences().getLast();
            assertEquals("w", last.request());
            assertEquals("waiting", last.state());
            assertEquals(3, last.promptTokens());
            assertEquals("running", facts.sequences().getFirst().state());
            SchedulerFacts.Blocks blocks = facts.blocks();
            assertTrue(blocks.used() >= 8, "" + blocks);
            assertEquals(blocks.total(), blocks.used() + blocks.free() + blocks.cached());
            rank.release();
            for (TestCall call : running) {
                call.await();
            }
            waiting.await();
            rig.assertQuiet();
            SchedulerFacts quiet = rig.loop.inbox().inspect().get();
            assertEquals(List.of(), quiet.sequences());
            assertEquals(0, quiet.blocks().used());
        }
    }

    @Test
    void aLoopThatDoesNotAnswerIsSaidToBeSilent() {
        var nobodyReads = new StepLoopInbox(new Gate(new WaitingLimits(1, 1)));
        assertEquals(
                Map.of("silent_for_millis", 1L),
                SchedulerMain.inspect(nobodyReads, Duration.ofMillis(1)));
    }

    /// The other choice of the request is parked when the first is found to end its ranks.
    @Test
    void aRequestThatEndsItsRanksIsEndedAndTheOthersGoOn() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            GenerateRequest request = Rig.request("w", 3, 9, 30).build();
            TestCall other = rig.generate(request);
            Eventually.await("a step is held", () -> rank.heldSteps() > 0);
            GenerateRequest deadly = Rig.request("p", 3, 1, 20).setChoices(2).build();
            rank.dieOf(deadly.getPromptIdsList());
            TestCall poisoned = rig.generate(deadly);
            rig.awaitStatus(it -> it.getWaiting() == 2);
            rank.release();
            poisoned.assertFails(Status.Code.ABORTED, "alone", "second time");
            rig.awaitStatus(it -> it.getPoisoned() == 1);
            assertEquals(Rig.expected(request, 0), other.await().ids.get(0));
            rig.assertQuiet();
        }
    }

    @Test
    void aParkedRequestEndsAtItsDeadline() throws Exception {
        try (var rig = new Rig()) {
            FakeRank rank = rig.startRank(0, 1);
            rig.awaitReady();
            rank.hold();
            TestCall call = rig.generate(Rig.request("d", 3, 1, 20).setDeadlineMs(1500).build());
            Eventually.await("its step is held", () -> rank.heldSteps() > 0);
            rig.leave(rank);
            call.assertFails(Status.Code.DEADLINE_EXCEEDED, "deadline_ms");
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
        try (var rig = new Rig(Rig.cluster(), 2, new WaitingLimits(100, 1000))) {
            rig.startRank(0, 2);
            rig.awaitStatus(it -> it.getReason().contains("1 of 2 workers"));
            rig.startRank(1, 2, joined -> joined.setModelDigest("d2"));
            GroupStatus status =
                    rig.awaitStatus(it -> it.getReason().contains("model digest differs"));
            assertTrue(status.getReason().contains("d1") && status.getReason().contains("d2"));
            assertFalse(status.getReady());
            TestCall call = rig.generate(Rig.request("a", 3, 1, 4).build());
            call.assertFails(Status.Code.UNAVAILABLE, "model digest differs");
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
        FixedCluster shared = Rig.cluster();
        var limits = new WaitingLimits(100, 1000);
        try (var leader = new Rig(shared, 1, limits)) {
            FakeRank rank = leader.startRank(0, 1);
            long epoch = leader.awaitReady().getEpoch();
            try (var standby = new Rig(shared.another(Runnable::run), 1, limits)) {
                standby.awaitStatus(it -> it.getReason().contains("does not lead"));
                TestCall refused = standby.generate(Rig.request("s", 3, 1, 4).build());
                refused.assertFails(Status.Code.FAILED_PRECONDITION, "does not lead group g");
                leader.resign();
                assertTrue(standby.awaitReady().getEpoch() > epoch);
                assertEquals(2, rank.joins());
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Context;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Requests that come while the group is formed anew with another number of ranks: the group has no
/// second rank until the test starts it.
class ResizingTest {
    private static void resize(Rig rig) throws Exception {
        rig.startRank(0, 1);
        rig.awaitReady();
        rig.size.hear(new RankLine.Ranks(2).text());
        // The group of one rank is given up, the one of two cannot be formed yet.
        Eventually.await(
                "the ranks of before are let go",
                () -> rig.loop.inbox().inspect().get().blocks().total() == 0);
    }

    private static void finish(Rig rig) throws Exception {
        rig.startRank(0, 2);
        rig.startRank(1, 2);
    }

    @Test
    void theyWaitForTheNextGroup() throws Exception {
        try (var rig = new Rig()) {
            resize(rig);
            List<GenerateRequest> requests = new ArrayList<>();
            List<TestCall> calls = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                requests.add(Rig.request("w" + i, 3, i, 20).setChoices(1 + i % 2).build());
                calls.add(rig.generate(requests.getLast()));
            }
            GroupStatus meanwhile = rig.awaitStatus(it -> it.getParked() == 18);
            assertTrue(meanwhile.getReady(), "requests are sent to it");
            assertEquals(0, meanwhile.getBlocksTotal(), "another group goes before it");
            assertEquals("fake", meanwhile.getModel());
            assertFalse(calls.getFirst().done.isDone());
            finish(rig);
            for (int i = 0; i < calls.size(); i++) {
                calls.get(i).await();
                for (int choice = 0; choice < requests.get(i).getChoices(); choice++) {
                    assertEquals(
                            Rig.expected(requests.get(i), choice), calls.get(i).ids.get(choice));
                }
            }
            GroupStatus after =
                    rig.awaitStatus(it -> it.getRanksCount() == 2 && it.getParked() == 0);
            assertEquals(0, after.getLosses());
            assertEquals(0, after.getMigrations());
            assertEquals(2, after.getFormations());
            rig.assertQuiet();
        }
    }

    @Test
    void onlyAsManyWaitAsTheQueueMayHold() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 1, new WaitingLimits(3, 1000))) {
            resize(rig);
            TestCall first = rig.generate(Rig.request("a", 3, 1, 9).setChoices(2).build());
            rig.awaitStatus(it -> it.getParked() == 2);
            rig.generate(Rig.request("b", 3, 1, 9).setChoices(2).build())
                    .assertFails(
                            Status.Code.RESOURCE_EXHAUSTED, "2 sequences wait, the limit is 3");
            TestCall second = rig.generate(Rig.request("c", 3, 1, 9).build());
            rig.awaitStatus(it -> it.getParked() == 3);
            rig.generate(Rig.request("d", 3, 1, 9).build())
                    .assertFails(
                            Status.Code.RESOURCE_EXHAUSTED, "3 sequences wait, the limit is 3");
            finish(rig);
            first.await();
            second.await();
            rig.assertQuiet();
        }
    }

    @Test
    void theyEndAtTheirDeadlineAndWithTheirClient() throws Exception {
        try (var rig = new Rig()) {
            resize(rig);
            TestCall late = rig.generate(Rig.request("l", 3, 1, 9).setDeadlineMs(50).build());
            late.assertFails(Status.Code.DEADLINE_EXCEEDED, "deadline_ms");
            Context.CancellableContext leaving = Context.current().withCancellation();
            leaving.run(() -> rig.generate(Rig.request("c", 3, 1, 9).build()));
            rig.awaitStatus(it -> it.getParked() == 1);
            leaving.cancel(null);
            rig.awaitStatus(it -> it.getParked() == 0);
            finish(rig);
            rig.awaitStatus(it -> it.getRanksCount() == 2);
            rig.assertQuiet();
        }
    }

    @Test
    void oneThatTheNextGroupCannotRunIsRefusedWithTheReason() throws Exception {
        try (var rig = new Rig()) {
            resize(rig);
            TestCall tooLong = rig.generate(Rig.request("l", FakeRank.CONTEXT + 1, 1, 9).build());
            TestCall other = rig.generate(Rig.request("o", 3, 1, 9).build());
            rig.generate(Rig.request("v", 3, 1, 9).addPromptIds(1 << 20).build())
                    .assertFails(Status.Code.INVALID_ARGUMENT, "vocabulary");
            rig.awaitStatus(it -> it.getParked() == 2);
            finish(rig);
            tooLong.assertFails(Status.Code.INVALID_ARGUMENT, "" + FakeRank.CONTEXT);
            other.await();
            rig.assertQuiet();
        }
    }

    @Test
    void theyEndWhereTheNextGroupServesAnotherModel() throws Exception {
        try (var rig = new Rig()) {
            resize(rig);
            TestCall call = rig.generate(Rig.request("w", 3, 1, 9).build());
            rig.awaitStatus(it -> it.getParked() == 1);
            for (int rank = 0; rank < 2; rank++) {
                rig.startRank(rank, 2, joined -> joined.setModelDigest("another"));
            }
            call.assertFails(Status.Code.UNAVAILABLE, "the new group serves another model");
            rig.awaitStatus(it -> it.getRanksCount() == 2 && it.getParked() == 0);
            rig.assertQuiet();
        }
    }

    @Test
    void aGroupThatIsNotFormedInTimeIsNotReadyAlthoughNobodyWaits() throws Exception {
        try (var rig = new Rig()) {
            resize(rig);
            rig.aheadNanos.set(Resizing.MAX_WAIT.toNanos());
            assertFalse(rig.awaitStatus(it -> !it.getReady()).getReason().isEmpty());
            rig.generate(Rig.request("w", 3, 1, 9).build())
                    .assertFails(Status.Code.UNAVAILABLE, "");
            finish(rig);
            rig.awaitStatus(it -> it.getReady() && it.getRanksCount() == 2);
            rig.generate(Rig.request("x", 3, 1, 9).build()).await();
            rig.assertQuiet();
        }
    }

    @Test
    void aSchedulerThatDoesNotLeadAnyMoreLetsThemGo() throws Exception {
        try (var rig = new Rig()) {
            resize(rig);
            TestCall call = rig.generate(Rig.request("w", 3, 1, 9).build());
            rig.awaitStatus(it -> it.getParked() == 1);
            rig.loop
                    .inbox()
                    .groupUnready(Status.FAILED_PRECONDITION.withDescription("it does not lead"));
            call.assertFails(Status.Code.FAILED_PRECONDITION, "it does not lead");
            assertFalse(rig.awaitStatus(it -> it.getParked() == 0).getReady());
        }
    }
}

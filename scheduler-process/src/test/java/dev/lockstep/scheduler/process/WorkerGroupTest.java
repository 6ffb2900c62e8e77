// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.VirtualClock;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.WorkerError;
import dev.lockstep.proto.v1.WorkerMessage;
import dev.lockstep.scheduler.CacheEvents;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.GroupShape;
import dev.lockstep.scheduler.KvGroupShape;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.Submission;
import dev.lockstep.scheduler.Timeline;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WorkerGroupTest implements WorkerGroup.Listener {
    private final VirtualClock clock = new VirtualClock();
    private final List<FakeRank> ranks = new ArrayList<>();
    private final List<Server> servers = new ArrayList<>();
    private final List<StepResult> results = new ArrayList<>();
    private final List<String> losses = new ArrayList<>();
    private boolean rankFailed = true;

    @BeforeEach
    void startRanks() throws IOException {
        for (int rank = 0; rank < 2; rank++) {
            String name = "%032x".formatted(System.nanoTime() + rank);
            var fake = new FakeRank(Member.worker("g", rank, 2, "here", 1, name), it -> it);
            ranks.add(fake);
            servers.add(
                    InProcessServerBuilder.forName(name)
                            .directExecutor()
                            .addService(fake)
                            .build()
                            .start());
        }
    }

    @AfterEach
    void stopRanks() {
        servers.forEach(Server::shutdownNow);
    }

    @Override
    public void stepCompleted(WorkerGroup group, StepResult result) {
        results.add(result);
    }

    @Override
    public void groupLost(WorkerGroup group, GroupLoss loss) {
        losses.add(loss.reason());
        rankFailed = loss.cause() == GroupLoss.Cause.RANK_FAILED;
    }

    private WorkerGroup dial(long epoch) throws FormationException {
        List<Member> members = ranks.stream().map(rank -> rank.member).toList();
        return WorkerGroup.dial(
                epoch,
                members,
                member ->
                        InProcessChannelBuilder.forName(member.incarnation())
                                .directExecutor()
                                .build(),
                clock,
                this);
    }

    private WorkerGroup formed() throws FormationException, InterruptedException {
        WorkerGroup group = dial(1);
        List<Joined> joined = group.join("g", FakeWorker.KEY, Eventually.TIMEOUT);
        group.expectCanary(
                CanaryAnswer.of(
                        group.form(Handshake.agree(joined, "r", 8, 0), Eventually.TIMEOUT)));
        return group;
    }

    private static StepPlan step() {
        var shape =
                new GroupShape(
                        1, 8, 32, 120, FakeRank.BLOCK_SIZE, 33, List.of(KvGroupShape.full(64)));
        var scheduler =
                new Scheduler(
                        shape,
                        new WaitingLimits(8, 100),
                        Policies.DEFAULT,
                        new BlockHasher(FakeWorker.KEY),
                        CacheEvents.NONE,
                        new Timeline(64));
        var sequence = new Sequence(0, "r", new int[3], Choice.of(5));
        assertEquals(new Submission.Queued(), scheduler.submit(List.of(sequence), 0));
        return scheduler.plan(0);
    }

    private void pass(WorkerGroup group, int seconds) {
        for (int second = 0; second < seconds; second++) {
            clock.advance(Duration.ofSeconds(1));
            group.beat();
        }
    }

    @Test
    void aStepIsCompleteWhenEveryRankHasAnswered() throws Exception {
        try (WorkerGroup group = formed()) {
            ranks.get(1).hold();
            group.send(step());
            assertEquals(List.of(), results);
            ranks.get(1).release();
            assertEquals(1, results.size());
            assertEquals(1, results.getFirst().sampled().size());
        }
    }

    @Test
    void aRankThatIsSilentForFiveSecondsIsLost() throws Exception {
        try (WorkerGroup group = formed()) {
            ranks.get(1).fallSilent();
            pass(group, 5);
            assertFalse(group.isLost());
            pass(group, 1);
            assertTrue(losses.getFirst().contains("rank 1"), losses.toString());
            assertTrue(losses.getFirst().contains("silent"), losses.toString());
        }
    }

    @Test
    void aRankWithoutProgressInAStepForFiveSecondsIsLost() throws Exception {
        try (WorkerGroup group = formed()) {
            pass(group, 60);
            ranks.get(1).stall();
            group.send(step());
            pass(group, 5);
            assertFalse(group.isLost());
            pass(group, 1);
            assertTrue(losses.getFirst().contains("rank 1"), losses.toString());
            assertTrue(losses.getFirst().contains("no progress in step 1"), losses.toString());
        }
    }

    @Test
    void aStepWhoseChecksumDiffersIsNotCompletedAndItsRanksMustEnd() throws Exception {
        try (WorkerGroup group = formed()) {
            for (FakeRank rank : ranks) {
                rank.distortNext(result -> result.setChecksum(rank.member.rank()));
            }
            group.send(step());
            assertEquals(List.of(), results);
            assertEquals(
                    List.of(
                            "the checksum of step 1 differs between ranks, of which any may be wrong: 00000000, 00000001; ranks 0, 1 must start again"),
                    losses);
            assertFalse(rankFailed, "no request has caused it");
            assertEquals(2, group.expelled().size());
        }
    }

    @Test
    void aStepWithEqualChecksumsIsComplete() throws Exception {
        try (WorkerGroup group = formed()) {
            ranks.forEach(rank -> rank.distortNext(result -> result.setChecksum(5)));
            group.send(step());
            assertEquals(1, results.size());
        }
    }

    @Test
    void oneCanaryStepIsOutstandingAndItsDeadlineNamesTheRank() throws Exception {
        try (WorkerGroup group = formed()) {
            assertTrue(group.sendCanary());
            assertEquals(1, group.goodCanaries());
            ranks.get(1).stall();
            assertTrue(group.sendCanary());
            assertFalse(group.sendCanary(), "one is outstanding");
            pass(group, 5);
            assertFalse(group.isLost());
            pass(group, 1);
            assertTrue(losses.getFirst().contains("rank 1"), losses.toString());
            assertTrue(losses.getFirst().contains("in a canary step"), losses.toString());
            Set<String> stuck = Set.of(ranks.get(1).member.incarnation());
            assertEquals(stuck, group.expelled().keySet());
            assertEquals(1, group.goodCanaries());
        }
    }

    @Test
    void aLongStepThatAdvancesIsNotLost() throws Exception {
        try (WorkerGroup group = formed()) {
            ranks.get(1).hold();
            group.send(step());
            pass(group, 60);
            assertFalse(group.isLost());
        }
    }

    @Test
    void aSchedulerThatWasStoppedItselfLosesNoRank() throws Exception {
        try (WorkerGroup group = formed()) {
            ranks.get(1).fallSilent();
            clock.advance(Duration.ofSeconds(20));
            group.beat();
            assertFalse(group.isLost());
            pass(group, 6);
            assertTrue(group.isLost());
        }
    }

    @Test
    void aRankThatDiesIsNamedWithItsProcess() throws Exception {
        try (WorkerGroup group = formed()) {
            ranks.get(0).die();
            assertTrue(group.isLost());
            assertTrue(losses.getFirst().contains("rank 0 (worker g/0"), losses.toString());
            assertTrue(losses.getFirst().contains("killed"), losses.toString());
        }
        assertEquals(1, losses.size());
    }

    @Test
    void anErrorOfARankLosesTheGroupWithItsMessage() throws Exception {
        try (WorkerGroup group = formed()) {
            WorkerError.Builder error =
                    WorkerError.newBuilder().setMessage("no memory for a batch");
            ranks.get(0).send(WorkerMessage.newBuilder().setError(error).build());
            assertTrue(group.isLost());
            assertTrue(losses.getFirst().contains("no memory for a batch"), losses.toString());
        }
    }

    @Test
    void anAnswerToAStepThatWasNotSentLosesTheGroup() throws Exception {
        try (WorkerGroup group = formed()) {
            var result = dev.lockstep.proto.v1.StepResult.newBuilder().setEpoch(1).setNumber(1);
            ranks.get(0).send(WorkerMessage.newBuilder().setResult(result).build());
            assertTrue(group.isLost());
        }
    }

    @Test
    void aStaleEpochIsReportedWithTheHighest() throws Exception {
        ranks.get(1).sawEpoch(41);
        try (WorkerGroup group = dial(7)) {
            FormationException stale =
                    assertThrows(
                            FormationException.class,
                            () -> group.join("g", FakeWorker.KEY, Eventually.TIMEOUT));
            assertEquals(41, stale.highestEpoch());
            assertFalse(stale.isRefusal());
        }
    }
}

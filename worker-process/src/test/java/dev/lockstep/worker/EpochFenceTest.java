// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.assertContains;
import static dev.lockstep.worker.TestSteps.assertServes;
import static dev.lockstep.worker.TestSteps.prefill;
import static dev.lockstep.worker.TestSteps.row;
import static dev.lockstep.worker.TestSteps.step;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.proto.v1.WorkerError;
import io.grpc.Status;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/// A worker runs each step of the highest epoch once and in order, and nothing else.
class EpochFenceTest extends TinyWorkerSetting {
    @Test
    void aJoinThatIsNotAboveTheHighestEpochIsRefusedNamingIt() throws Exception {
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
            assertTrue(first.isOpenAfter(0), "a stale Join does not end the stream");
        }
    }

    @Test
    void anEpochThatZooKeeperDidNotGiveOutIsRefusedAndChangesNothing() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler leader = served.dial()) {
            served.given = OptionalLong.of(7);
            leader.begin(7);
            for (long forged : new long[] {8, Long.MAX_VALUE}) {
                try (TestScheduler other = served.dial()) {
                    other.sendJoin("default", forged, 0, 1);
                    assertContains(other.end() + "", "epoch " + forged + " was not given out", "7");
                    // Not a misfit: a leader that took its epoch without ZooKeeper retries soon.
                    assertEquals(Status.Code.UNAVAILABLE, other.end().getCode());
                }
            }
            assertTrue(leader.isOpenAfter(0), "a forged Join does not end the stream");
            leader.send(prefill(7));
            leader.result();
            served.given = OptionalLong.of(8);
            leader.begin(8);
        }
    }

    @Test
    void withoutZooKeeperAnEpochIsBoundedByTheOnesBefore() throws Exception {
        try (ServedWorker served = serve();
                TestScheduler leader = served.dial();
                TestScheduler other = served.dial()) {
            served.given = OptionalLong.of(7);
            leader.begin(7);
            served.given = OptionalLong.empty();
            leader.begin(8);
            other.sendJoin("default", 9 + EpochBound.WITHOUT_ZOOKEEPER, 0, 1);
            assertContains(other.end() + "", "above 1008");
            assertTrue(leader.isOpenAfter(0));
        }
    }

    @Test
    void aCallWithoutTheClustersSecretIsRefused() throws Exception {
        ClusterAccess stranger = ClusterAccess.of(ClusterSecret.random());
        try (ServedWorker served = serve();
                TestScheduler leader = served.dial()) {
            leader.begin(1);
            for (MemberAddress address : List.of(served.port(), served.unixSocket())) {
                try (TestScheduler forged = ServedWorker.dial(address, stranger)) {
                    forged.sendJoin("default", Long.MAX_VALUE, 0, 1);
                    assertEquals(Status.Code.UNAUTHENTICATED, forged.end().getCode());
                }
            }
            leader.begin(2);
        }
    }

    @Test
    void aHigherEpochEndsTheStreamOfTheLowerOneAndIsServed() throws Exception {
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
    void aHigherEpochOnTheSameStreamIsServed() throws Exception {
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
            assertEquals(1, owner.result().getSampledCount(), "no other stream ended its session");
        }
    }

    @Test
    void aStepOutOfOrderEndsTheEpochAndTheNextOneIsServed() throws Exception {
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
                // The epoch has ended: the correct step comes too late.
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
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Randomness;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The contract of every [Cluster]. Each `open` is another process of one cluster, which is empty
/// when a test begins.
abstract class ClusterContract {

    private final Randomness randomness = Randomness.seeded(7);
    private final List<Cluster> opened = new ArrayList<>();

    abstract Cluster connect();

    /// Ends the session of one process as a time-out would.
    abstract void loseSession(Cluster cluster) throws Exception;

    final Cluster open() throws InterruptedException {
        Cluster cluster = connect();
        opened.add(cluster);
        assertTrue(cluster.awaitConnected(Eventually.TIMEOUT));
        assertTrue(cluster.connected());
        return cluster;
    }

    @AfterEach
    final void closeAll() {
        opened.forEach(Cluster::close);
    }

    final Member worker(String group, int rank) {
        return Member.worker(
                group, rank, 2, "127.0.0.1", 4000 + rank, randomness.nextIncarnation());
    }

    static void awaitMembers(Cluster cluster, Member... expected) throws InterruptedException {
        Eventually.await(
                () -> List.of(expected) + " but " + cluster.membership().snapshot(),
                () -> cluster.membership().snapshot().members().equals(List.of(expected)));
    }

    @Test
    void allProcessesSeeTheMembersInOrderOfRegistration() throws Exception {
        Cluster one = open();
        Cluster two = open();
        Member first = worker("a", 1);
        Member second = worker("a", 0);
        Member third = Member.coordinator("127.0.0.1", 8000, randomness.nextIncarnation());
        one.register(first);
        awaitMembers(two, first);
        two.register(second);
        awaitMembers(one, first, second);
        one.register(third);
        for (Cluster cluster : List.of(one, two, open())) {
            awaitMembers(cluster, first, second, third);
            Membership.Snapshot seen = cluster.membership().snapshot();
            assertEquals(List.of(first, second), seen.members(Member.Role.WORKER, "a"));
            assertEquals(List.of(third), seen.members(Member.Role.COORDINATOR));
            assertEquals(Optional.of(second), seen.worker("a", 0));
            assertEquals(Optional.of(first), seen.find(first.incarnation()));
            assertEquals(List.of("a"), seen.groups());
        }
    }

    @Test
    void aMemberLeavesWhenItsRegistrationOrItsClusterCloses() throws Exception {
        Cluster one = open();
        Cluster two = open();
        Member stays = worker("a", 0);
        two.register(stays);
        awaitMembers(one, stays);
        Member leaves = worker("a", 1);
        Registration registration = one.register(leaves);
        awaitMembers(two, stays, leaves);
        registration.close();
        awaitMembers(two, stays);
        Member dies = worker("b", 0);
        one.register(dies);
        awaitMembers(two, stays, dies);
        one.close();
        awaitMembers(two, stays);
    }

    @Test
    void anUpdateMayChangeAMemberButNotItsIdentity() throws Exception {
        Cluster one = open();
        Cluster two = open();
        Member member = worker("a", 0);
        Registration registration = one.register(member);
        registration.update(member.withAttributes(Map.of("model", "smol")));
        registration.ready();
        Member ready = member.withAttributes(Map.of("model", "smol")).withState(Member.State.READY);
        assertEquals(ready, registration.member());
        awaitMembers(two, ready);
        assertRefused("cannot become one of", () -> registration.update(worker("a", 1)));
        assertRefused(
                "more than 1024",
                () -> registration.update(member.withAttributes(Map.of("note", "x".repeat(1024)))));
        assertRefused(
                "more than 1024",
                () ->
                        one.register(
                                worker("a", 1).withAttributes(Map.of("note", "x".repeat(1024)))));
        assertEquals(ready, registration.member());
    }

    @Test
    void theNewerOfTwoWorkersOfOneRankIsTheWorker() throws Exception {
        Cluster one = open();
        Member dead = worker("a", 0);
        Member restarted = worker("a", 0);
        one.register(dead);
        awaitMembers(one, dead);
        one.register(restarted);
        awaitMembers(one, dead, restarted);
        assertEquals(Optional.of(restarted), one.membership().snapshot().worker("a", 0));
    }

    @Test
    void aListenerReceivesTheCurrentAndEachNewContent() throws Exception {
        Cluster one = open();
        Member first = worker("a", 0);
        one.register(first);
        awaitMembers(one, first);
        List<List<Member>> seen = new CopyOnWriteArrayList<>();
        Membership.Subscription subscription =
                one.membership().listen(snapshot -> seen.add(snapshot.members()));
        Eventually.await("the current content", () -> seen.equals(List.of(List.of(first))));
        Member second = worker("a", 1);
        one.register(second);
        Eventually.await(
                "the new content",
                () -> !seen.isEmpty() && seen.getLast().equals(List.of(first, second)));
        subscription.close();
        int calls = seen.size();
        one.register(worker("b", 0));
        Eventually.await(
                "the third member", () -> one.membership().snapshot().members().size() == 3);
        assertEquals(calls, seen.size());
    }

    @Test
    void aMemberWithALostSessionIsAnnouncedAgainWithTheSameIdentity() throws Exception {
        Cluster one = open();
        Cluster two = open();
        Member member = worker("a", 0);
        Registration registration = one.register(member);
        awaitMembers(two, member);
        loseSession(one);
        registration.ready();
        awaitMembers(two, member.withState(Member.State.READY));
        awaitMembers(one, member.withState(Member.State.READY));
    }

    @Test
    void aGroupHasOneLeaderAndTheNextTakesAHigherEpochAtOnce() throws Exception {
        Cluster one = open();
        Cluster two = open();
        var first = new RecordingListener();
        var second = new RecordingListener();
        Leadership leader = one.contend("a", "first", first);
        first.awaitCalls("elected");
        Leadership standby = two.contend("a", "second", second);
        assertTrue(leader.leading());
        assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
        assertEquals(OptionalLong.of(2), leader.nextEpoch(0));
        assertEquals(OptionalLong.of(8), leader.nextEpoch(7));
        assertFalse(standby.leading());
        assertEquals(OptionalLong.empty(), standby.nextEpoch(0));
        assertEquals(OptionalLong.of(8), two.givenEpoch("a"));
        assertEquals(OptionalLong.of(0), two.givenEpoch("b"));
        leader.close();
        second.awaitCalls("elected");
        assertTrue(standby.leading());
        assertEquals(OptionalLong.of(9), standby.nextEpoch(3));
        assertFalse(leader.leading());
        assertEquals(OptionalLong.empty(), leader.nextEpoch(0));
        first.awaitCalls("elected");
    }

    @Test
    void aLeaderThatClosesItsClusterIsReplaced() throws Exception {
        Cluster one = open();
        Cluster two = open();
        var first = new RecordingListener();
        var second = new RecordingListener();
        one.contend("a", "first", first);
        first.awaitCalls("elected");
        two.contend("a", "second", second);
        one.close();
        second.awaitCalls("elected");
    }

    @Test
    void groupsElectIndependently() throws Exception {
        Cluster one = open();
        var first = new RecordingListener();
        var second = new RecordingListener();
        Leadership a = one.contend("a", "first", first);
        Leadership b = one.contend("b", "second", second);
        first.awaitCalls("elected");
        second.awaitCalls("elected");
        assertEquals(OptionalLong.of(6), a.nextEpoch(5));
        assertEquals(OptionalLong.of(1), b.nextEpoch(0));
    }

    @Test
    void aLeaderWithoutRivalKeepsLeadingThroughALostSession() throws Exception {
        Cluster one = open();
        var listener = new RecordingListener();
        Leadership leader = one.contend("a", "first", listener);
        listener.awaitCalls("elected");
        assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
        loseSession(one);
        assertTrue(leader.leading());
        Eventually.await("connected again", one::connected);
        assertEquals(OptionalLong.of(2), leader.nextEpoch(1));
        listener.awaitCalls("elected");
    }

    @Test
    void aLeaderIsDeposedWhenARivalTakesAnEpoch() throws Exception {
        Cluster one = open();
        Cluster two = open();
        var first = new RecordingListener();
        var second = new RecordingListener();
        Leadership old = one.contend("a", "first", first);
        first.awaitCalls("elected");
        assertEquals(OptionalLong.of(1), old.nextEpoch(0));
        Leadership rival = two.contend("a", "second", second);
        awaitSecondContender(two);
        loseSession(one);
        second.awaitCalls("elected");
        first.awaitCalls("elected");
        assertEquals(OptionalLong.of(2), rival.nextEpoch(1));
        first.awaitCalls("elected", "deposed");
        assertFalse(old.leading());
        assertEquals(OptionalLong.empty(), old.nextEpoch(0));
        rival.close();
        first.awaitCalls("elected", "deposed", "elected");
        assertEquals(OptionalLong.of(3), old.nextEpoch(0));
    }

    /// Waits until a second contender has joined the election, which takes a moment in ZooKeeper.
    void awaitSecondContender(Cluster cluster) throws InterruptedException {
        assertTrue(cluster.awaitConnected(Duration.ZERO));
    }

    @Test
    void allProcessesShareOneBlockHashKey() throws Exception {
        byte[] key = open().blockHashKey();
        assertEquals(BlockHasher.KEY_BYTES, key.length);
        assertArrayEquals(key, open().blockHashKey());
    }
}

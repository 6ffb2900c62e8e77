// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.LeadershipState.Change;
import dev.lockstep.cluster.LeadershipState.Counter;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class LeadershipStateTest {

    private final LeadershipState state = new LeadershipState("me");

    private void leadWithEpoch(long epoch) {
        assertEquals(Change.ELECTED, state.observe(true, Counter.NONE));
        state.took(new Counter(epoch, "me"));
    }

    @Test
    void losingOnlyTheElectionDeposesNoLeader() {
        leadWithEpoch(4);
        assertEquals(Change.NONE, state.observe(false, new Counter(4, "me")));
        assertEquals(Change.NONE, state.observe(false, new Counter(3, "other")));
        assertEquals(Change.NONE, state.observe(false, Counter.NONE));
        assertTrue(state.leading());
        assertEquals(Change.NONE, state.observe(true, new Counter(4, "me")));
    }

    @Test
    void anEpochOfAnotherContenderDeposesEvenWhenEqual() {
        leadWithEpoch(4);
        assertEquals(Change.DEPOSED, state.observe(false, new Counter(4, "other")));
        assertEquals(Change.NONE, state.observe(false, new Counter(5, "other")));
        assertEquals(Change.ELECTED, state.observe(true, new Counter(5, "other")));
    }

    @Test
    void theElectedContenderLeadsWithAnyCounter() {
        leadWithEpoch(4);
        assertEquals(Change.NONE, state.observe(true, new Counter(9, "other")));
        assertEquals(new Counter(10, "me"), state.next(0));
    }

    @Test
    void aNewEpochExceedsCounterWorkersAndOwnEpoch() {
        assertEquals(Change.ELECTED, state.observe(true, new Counter(7, "other")));
        assertEquals(new Counter(8, "me"), state.next(3));
        assertEquals(new Counter(13, "me"), state.next(12));
        state.took(new Counter(13, "me"));
        assertEquals(Change.NONE, state.observe(true, Counter.NONE));
        assertEquals(new Counter(14, "me"), state.next(0));
    }

    @Test
    void withoutZooKeeperALeaderTakesEpochsButNeverAboveARival() {
        assertEquals(OptionalLong.empty(), state.nextWithoutZooKeeper(0));
        leadWithEpoch(4);
        assertEquals(OptionalLong.of(5), state.nextWithoutZooKeeper(4));
        assertEquals(OptionalLong.of(6), state.nextWithoutZooKeeper(5));
        assertEquals(OptionalLong.empty(), state.nextWithoutZooKeeper(7));
        assertFalse(state.leading());
    }

    @Test
    void withoutZooKeeperANewLeaderStartsAboveTheWorkersEpoch() {
        assertEquals(Change.ELECTED, state.observe(true, new Counter(4, "other")));
        assertEquals(OptionalLong.of(7), state.nextWithoutZooKeeper(6));
    }

    @Test
    void epochsTakenWithoutZooKeeperAreWrittenBack() {
        leadWithEpoch(4);
        assertFalse(state.counterLags(new Counter(4, "me")));
        assertEquals(OptionalLong.of(5), state.nextWithoutZooKeeper(4));
        assertTrue(state.counterLags(new Counter(4, "me")));
        assertEquals(new Counter(5, "me"), state.own());
        state.resign();
        assertFalse(state.counterLags(new Counter(4, "me")));
    }

    @Test
    void aCounterRoundTripsThroughTextAndMalformedTextIsNone() {
        var counter = new Counter(Long.MAX_VALUE / 2, "0123abc");
        assertEquals(counter, Counter.parse(counter.text()));
        assertEquals(Counter.NONE, Counter.parse(""));
        assertEquals(Counter.NONE, Counter.parse("x y"));
        assertEquals(Counter.NONE, Counter.parse("9"));
        assertEquals(Counter.NONE, Counter.parse("-1 x"));
        assertEquals(Counter.NONE, Counter.parse(Long.MAX_VALUE / 2 + 1 + " x"));
    }
}

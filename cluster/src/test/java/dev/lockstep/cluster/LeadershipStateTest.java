package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.LeadershipState.Change;
import dev.lockstep.cluster.LeadershipState.Counter;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class LeadershipStateTest {

    private final LeadershipState term = new LeadershipState("me");

    private void leadWithEpoch(long epoch) {
        assertEquals(Change.ELECTED, term.observe(true, Counter.NONE));
        term.took(new Counter(epoch, "me"));
    }

    @Test
    void losingTheElectionAloneDeposesNobody() {
        leadWithEpoch(4);
        assertEquals(Change.NONE, term.observe(false, new Counter(4, "me")));
        assertEquals(Change.NONE, term.observe(false, new Counter(3, "other")));
        assertEquals(Change.NONE, term.observe(false, Counter.NONE));
        assertTrue(term.leading());
        assertEquals(Change.NONE, term.observe(true, new Counter(4, "me")));
    }

    @Test
    void anothersEpochDeposesEvenAnEqualOne() {
        leadWithEpoch(4);
        assertEquals(Change.DEPOSED, term.observe(false, new Counter(4, "other")));
        assertEquals(Change.NONE, term.observe(false, new Counter(5, "other")));
        assertEquals(Change.ELECTED, term.observe(true, new Counter(5, "other")));
    }

    @Test
    void theFirstInLineLeadsWhateverTheCounterSays() {
        leadWithEpoch(4);
        assertEquals(Change.NONE, term.observe(true, new Counter(9, "other")));
        assertEquals(new Counter(10, "me"), term.next(0));
    }

    @Test
    void anEpochExceedsCounterWorkersAndOwn() {
        assertEquals(Change.ELECTED, term.observe(true, new Counter(7, "other")));
        assertEquals(new Counter(8, "me"), term.next(3));
        assertEquals(new Counter(13, "me"), term.next(12));
        term.took(new Counter(13, "me"));
        assertEquals(Change.NONE, term.observe(true, Counter.NONE));
        assertEquals(new Counter(14, "me"), term.next(0));
    }

    @Test
    void aloneALeaderGoesOnButNeverAboveARival() {
        assertEquals(OptionalLong.empty(), term.nextAlone(0));
        leadWithEpoch(4);
        assertEquals(OptionalLong.of(5), term.nextAlone(4));
        assertEquals(OptionalLong.of(6), term.nextAlone(5));
        assertEquals(OptionalLong.empty(), term.nextAlone(7));
        assertFalse(term.leading());
    }

    @Test
    void aNewLeaderAloneStartsAboveWhatTheWorkersObey() {
        assertEquals(Change.ELECTED, term.observe(true, new Counter(4, "other")));
        assertEquals(OptionalLong.of(7), term.nextAlone(6));
    }

    @Test
    void epochsTakenAloneAreWrittenBack() {
        leadWithEpoch(4);
        assertFalse(term.counterLags(new Counter(4, "me")));
        assertEquals(OptionalLong.of(5), term.nextAlone(4));
        assertTrue(term.counterLags(new Counter(4, "me")));
        assertEquals(new Counter(5, "me"), term.own());
        term.resign();
        assertFalse(term.counterLags(new Counter(4, "me")));
    }

    @Test
    void aCounterSurvivesTheTripThroughTextAndGarbageIsNone() {
        Counter counter = new Counter(Long.MAX_VALUE, "0123abc");
        assertEquals(counter, Counter.parse(counter.text()));
        assertEquals(Counter.NONE, Counter.parse(""));
        assertEquals(Counter.NONE, Counter.parse("x y"));
        assertEquals(Counter.NONE, Counter.parse("9"));
    }
}

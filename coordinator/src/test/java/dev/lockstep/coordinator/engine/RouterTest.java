// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class RouterTest {

    private static Router.Candidate group(String id, int running, int waiting, int sent) {
        return group(id, running + waiting + sent, 10, 0, 0);
    }

    private static Router.Candidate group(
            String id, int sequences, int slots, long queuedTokens, int cachedTokens) {
        return new Router.Candidate(
                id, "m", true, new Router.Load(sequences, slots, queuedTokens, 100), cachedTokens);
    }

    private static String choose(List<Router.Candidate> candidates, long turn) {
        return Router.choose(candidates, "m", Set.of(), turn)
                .map(Router.Candidate::id)
                .orElse("none");
    }

    @Test
    void theGroupWithTheLowestLoadIsChosen() {
        assertEquals("b", choose(List.of(group("a", 2, 1, 0), group("b", 2, 0, 0)), 0));
    }

    @Test
    void requestsSentSinceTheLastStatusCount() {
        assertEquals("a", choose(List.of(group("a", 2, 0, 0), group("b", 0, 0, 3)), 0));
    }

    @Test
    void aLargerGroupMayHaveMoreSequences() {
        Router.Candidate large = group("large", 6, 40, 0, 0);
        assertEquals("large", choose(List.of(group("small", 2, 0, 0), large), 0));
    }

    @Test
    void equalGroupsTakeTurnsAndMoreFreeBlocksComeFirst() {
        List<Router.Candidate> equals = List.of(group("a", 1, 0, 0), group("b", 1, 0, 0));
        assertEquals("a", choose(equals, 0));
        assertEquals("b", choose(equals, 1));
        assertEquals("b", choose(equals, -1));
        var roomy = new Router.Candidate("roomy", "m", true, new Router.Load(1, 10, 0, 101), 0);
        assertEquals("roomy", choose(List.of(equals.get(0), roomy, equals.get(1)), 5));
    }

    @Test
    void onlyReadyGroupsOfTheModelThatHaveNotRefusedAreChosen() {
        List<Router.Candidate> candidates =
                List.of(
                        new Router.Candidate(
                                "unready", "m", false, new Router.Load(0, 10, 0, 100), 0),
                        new Router.Candidate("other", "x", true, new Router.Load(0, 10, 0, 100), 0),
                        group("a", 5, 0, 0));
        assertEquals("a", choose(candidates, 0));
        assertEquals(Optional.empty(), Router.choose(candidates, "m", Set.of("a"), 0));
    }

    @Test
    void theLongestCachedPrefixWinsAmongEquallyBusyGroups() {
        assertEquals(
                "b",
                choose(
                        List.of(
                                group("a", 2, 10, 0, 64),
                                group("b", 2, 10, 0, 80),
                                group("c", 2, 10, 0, 0)),
                        0));
    }

    @Test
    void aCachedTokenOffsetsAQueuedToken() {
        assertEquals(
                "cached",
                choose(List.of(group("empty", 0, 64, 0, 0), group("cached", 0, 64, 500, 512)), 0));
        assertEquals(
                "empty",
                choose(List.of(group("empty", 0, 64, 0, 0), group("cached", 0, 64, 520, 512)), 0));
    }

    /// 512 cached tokens offset 4 of 64 sequences: beyond that a second group computes them too.
    @Test
    void aSharedPrefixDoesNotKeepAllRequestsInOneGroup() {
        assertEquals(
                "cached",
                choose(List.of(group("empty", 0, 64, 0, 0), group("cached", 3, 64, 0, 512)), 0));
        assertEquals(
                "empty",
                choose(List.of(group("empty", 0, 64, 0, 0), group("cached", 5, 64, 0, 512)), 0));
    }

    @Test
    void aGroupWithoutReportedSlotsCountsAsOneSlot() {
        assertEquals(8192, group("a", 1, 0, 0, 0).cost());
    }
}

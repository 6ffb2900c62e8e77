package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class RouterTest {

    private static Router.Candidate group(String id, int running, int waiting, int sent) {
        return new Router.Candidate(id, "m", true, running, waiting, sent, 10, 100);
    }

    private static String choose(List<Router.Candidate> candidates, long turn) {
        return Router.choose(candidates, "m", Set.of(), turn)
                .map(Router.Candidate::id)
                .orElse("none");
    }

    @Test
    void theGroupWithTheLeastToDoIsChosen() {
        assertEquals("b", choose(List.of(group("a", 2, 1, 0), group("b", 2, 0, 0)), 0));
    }

    @Test
    void whatWasSentSinceTheLastNewsCounts() {
        assertEquals("a", choose(List.of(group("a", 2, 0, 0), group("b", 0, 0, 3)), 0));
    }

    @Test
    void aLargerGroupMayHaveMoreToDo() {
        Router.Candidate large = new Router.Candidate("large", "m", true, 6, 0, 0, 40, 100);
        assertEquals("large", choose(List.of(group("small", 2, 0, 0), large), 0));
    }

    @Test
    void equalsTakeTurnsAndMoreFreeBlocksComeFirst() {
        List<Router.Candidate> equals = List.of(group("a", 1, 0, 0), group("b", 1, 0, 0));
        assertEquals("a", choose(equals, 0));
        assertEquals("b", choose(equals, 1));
        assertEquals("b", choose(equals, -1));
        Router.Candidate roomy = new Router.Candidate("roomy", "m", true, 1, 0, 0, 10, 101);
        assertEquals("roomy", choose(List.of(equals.get(0), roomy, equals.get(1)), 5));
    }

    @Test
    void onlyReadyGroupsOfTheModelThatHaveNotRefusedAreTaken() {
        List<Router.Candidate> candidates =
                List.of(
                        new Router.Candidate("unready", "m", false, 0, 0, 0, 10, 100),
                        new Router.Candidate("other", "x", true, 0, 0, 0, 10, 100),
                        group("a", 5, 0, 0));
        assertEquals("a", choose(candidates, 0));
        assertEquals(Optional.empty(), Router.choose(candidates, "m", Set.of("a"), 0));
    }
}

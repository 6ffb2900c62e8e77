// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.CommittedChoice;
import java.util.List;
import org.junit.jupiter.api.Test;

class RequestProgressTest {
    private final RequestProgress progress = new RequestProgress(2);

    private List<List<Integer>> goOnWith() {
        return progress.goOnWith().stream().map(CommittedChoice::getIdsList).toList();
    }

    @Test
    void repeatsAreDroppedAndTheRestIsCommitted() {
        progress.accept();
        assertEquals(0, progress.commit(0, 0, List.of(5, 6)));
        assertEquals(2, progress.commit(0, 0, List.of(5, 6)));
        assertEquals(1, progress.commit(0, 1, List.of(6, 7)));
        assertEquals(0, progress.commit(1, 0, List.of(8)));
        assertEquals(1, progress.commit(0, 0, List.of(9)), "a repeat changes nothing");
        assertEquals(List.of(List.of(5, 6, 7), List.of(8)), goOnWith());
    }

    @Test
    void aGapIsAnError() {
        assertEquals(0, progress.commit(1, 0, List.of(5)));
        IllegalStateException gap =
                assertThrows(IllegalStateException.class, () -> progress.commit(1, 2, List.of(6)));
        assertEquals("tokens at position 2 of choice 1, which has 1", gap.getMessage());
    }

    @Test
    void aCompleteChoiceDoesNotGoOn() {
        assertEquals(List.of(), goOnWith(), "nobody has accepted it");
        progress.accept();
        progress.finish(0);
        assertFalse(progress.done());
        assertEquals(1, progress.goOnWith().size());
        assertEquals(1, progress.goOnWith().getFirst().getChoice());
        progress.finish(1);
        assertTrue(progress.done());
    }

    @Test
    void movesBetweenSchedulersAndWithinOneAddUp() {
        progress.accept();
        progress.sawMigrations(2);
        progress.sawMigrations(1);
        assertEquals(2, progress.migrations());
        progress.lose(0);
        assertEquals(3, progress.migrations());
        progress.lose(0);
        progress.sawMigrations(4);
        assertEquals(4, progress.migrations());
    }

    @Test
    void itStaysWhereItIsParkedAfterAMoveWithoutANewToken() {
        progress.accept();
        assertTrue(progress.mayMove());
        assertTrue(progress.lose(0));
        progress.accept();
        assertFalse(progress.mayMove());
        assertEquals(0, progress.commit(0, 0, List.of(5)));
        assertTrue(progress.mayMove());
        assertTrue(progress.lose(0));
        progress.accept();
        assertEquals(1, progress.commit(0, 0, List.of(5)));
        assertFalse(progress.mayMove(), "a repeat is not new");
    }

    @Test
    void movesAreLimitedInNumberAndTime() {
        progress.accept();
        long limit = RequestProgress.MAX_LOST.toNanos();
        assertTrue(progress.lose(7));
        assertFalse(progress.lose(9), "it is lost already");
        assertTrue(progress.mayGoOn(7 + limit));
        assertFalse(progress.mayGoOn(8 + limit));
        for (int move = 1; move < RequestProgress.MAX_MOVES_IN_PLACE; move++) {
            assertTrue(progress.accept());
            assertEquals(0, progress.commit(0, 0, List.of()));
            assertTrue(progress.lose(0));
        }
        assertTrue(progress.mayGoOn(0));
        assertTrue(progress.accept());
        assertTrue(progress.lose(0));
        assertFalse(progress.mayGoOn(0), "it moved in place too often");
        assertEquals(0, progress.commit(0, 0, List.of(3)));
        assertTrue(progress.mayGoOn(0), "a token is new");
        assertEquals(RequestProgress.MAX_MOVES_IN_PLACE + 1, progress.moves());
    }
}

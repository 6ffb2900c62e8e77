// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FormationNoticesTest {
    private final List<String> said = new ArrayList<>();
    private final FormationNotices notices = new FormationNotices("g", said::add);

    private void lost(String message) {
        notices.failed(FormationException.lost(message));
    }

    @Test
    void aFailureThatPassesIsNotSaid() {
        lost("rank 0 is lost");
        notices.formed();
        lost("rank 0 is lost");
        notices.formed();
        assertEquals(List.of(), said);
    }

    @Test
    void aFailureThatLastsIsSaidOnceAndThenItsEnd() {
        for (int process = 100; process < 110; process++) {
            lost("rank 0 (process " + process + ") did not form");
        }
        lost("no memory");
        notices.formed();
        notices.formed();
        assertEquals(
                List.of(
                        "group g is not formed: rank 0 (process 101) did not form",
                        "group g is not formed: no memory",
                        "group g is formed"),
                said);
    }

    @Test
    void aRefusalIsSaidAtOnce() {
        notices.failed(FormationException.refused("build differs"));
        assertEquals(List.of("group g is not formed: build differs"), said);
    }
}

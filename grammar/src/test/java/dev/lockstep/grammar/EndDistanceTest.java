// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// Whatever a grammar lets a text begin with can be ended.
class EndDistanceTest {
    private static final int SPECIALS = 2;
    private static final int PLACES = 300;

    /// Each place that texts lead to is at some distance from an end, and one of the places after
    /// it is nearer by one: so the end is found by going on.
    @Test
    void everyPlaceIsOnAWayToAnEnd() {
        int places = 0;
        int farthest = 0;
        for (int seed = 0; seed < 2_000; seed++) {
            Grammar grammar = new RandomGrammars(new Random(seed), SPECIALS).grammar();
            NormalGrammar normal;
            try {
                normal = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT).normal();
            } catch (GrammarException _) {
                continue;
            }
            var automaton = new Automaton(normal);
            var distance = new EndDistance(normal);
            List<Configuration> reached = new ArrayList<>(List.of(automaton.start));
            Set<Configuration> seen = new HashSet<>(reached);
            for (int i = 0; i < reached.size() && i < PLACES; i++) {
                Configuration place = reached.get(i);
                long left = distance.of(place);
                String where = "place %d of seed %d".formatted(i, seed);
                assertTrue(left < EndDistance.NONE, () -> where + " has no end");
                assertEquals(place.accepting, left == 0, where);
                long nearest = EndDistance.NONE;
                for (Configuration next : after(automaton, place)) {
                    nearest = Math.min(nearest, distance.of(next));
                    if (seen.add(next)) {
                        reached.add(next);
                    }
                }
                assertTrue(left == 0 || nearest == left - 1, where);
                places++;
                farthest = (int) Math.max(farthest, left);
            }
        }
        assertTrue(places > 10_000 && farthest > 50, places + " places, " + farthest);
    }

    private static List<Configuration> after(Automaton automaton, Configuration place) {
        automaton.budget.beginCall();
        List<Configuration> next = new ArrayList<>();
        for (int letter : RandomGrammars.ALPHABET) {
            next.add(automaton.step(place, letter));
        }
        for (int special = 0; special < SPECIALS; special++) {
            next.add(automaton.special(place, special));
        }
        next.removeIf(Configuration::isDead);
        return next;
    }
}

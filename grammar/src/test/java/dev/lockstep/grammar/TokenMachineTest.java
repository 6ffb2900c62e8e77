// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class TokenMachineTest {
    private static final int SIZE = 3_000;
    private static final TokenTrie TRIE =
            new TokenTrie(MadeVocabulary.of(SIZE, 2), MadeVocabulary.specials(SIZE, 2));

    private static Matcher matcher(Expression start, byte[][] tokens, Integer... specials) {
        return CompiledGrammar.compile(
                        new Grammar(Map.of("start", start), "start"), GrammarLimits.DEFAULT)
                .on(new TokenTrie(tokens, Set.of(specials)))
                .matcher();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void bytesAreForcedUpToTheFirstChoice() {
        Matcher matcher =
                matcher(
                        Expression.sequence(
                                Expression.text("{\"name\": "),
                                Expression.choice(
                                        Expression.text("\"a\""), Expression.text("\"b\"")),
                                Expression.text("}")),
                        new byte[][] {bytes("{\""), bytes("name"), bytes("\": \""), bytes("b\"}")});
        assertArrayEquals(bytes("{\"name\": \""), matcher.forcedBytes());
        assertEquals(3, matcher.acceptAll(0, 1, 2));
        assertArrayEquals(bytes(""), matcher.forcedBytes());
        assertFalse(matcher.mayEnd());
        assertTrue(matcher.accept(3));
        assertTrue(matcher.mayEnd());
        assertTrue(matcher.complete());
    }

    @Test
    void nothingIsForcedWhereTheTextMayEndOrASpecialTokenMayCome() {
        byte[][] tokens = {bytes("a"), bytes("b"), null};
        Matcher end =
                matcher(
                        Expression.sequence(
                                Expression.text("a"), Expression.optional(Expression.text("b"))),
                        tokens);
        assertArrayEquals(bytes("a"), end.forcedBytes());
        assertTrue(end.accept(0));
        assertArrayEquals(bytes(""), end.forcedBytes());
        assertTrue(end.mayEnd());
        assertFalse(end.complete());
        Matcher special =
                matcher(
                        Expression.choice(Expression.text("a"), new Expression.Special(2)),
                        tokens,
                        2);
        assertArrayEquals(bytes(""), special.forcedBytes());
        assertTrue(special.accept(2));
        assertTrue(special.complete());
    }

    @Test
    void onlyTheGrammarAllowsSpecialTokensAndNobodyIdsWithoutBytes() {
        byte[][] tokens = {bytes("a"), bytes("a"), null, new byte[0], bytes("aa"), bytes("<x>")};
        Matcher matcher = matcher(Expression.terminal(Regex.ANY_TEXT), tokens, 5);
        long[] mask = {-1};
        matcher.mask(mask);
        assertEquals(0b010011, mask[0]);
        for (int refused : new int[] {2, 3, 5, 6, -1, Integer.MAX_VALUE}) {
            assertFalse(matcher.accept(refused));
        }
        assertTrue(matcher.accept(4));
    }

    @Test
    void aCopyGoesItsOwnWay() {
        byte[][] tokens = {bytes("a"), bytes("b")};
        Matcher one = matcher(Expression.terminal(Regex.text("ab")), tokens);
        assertTrue(one.accept(0));
        Matcher other = one.copy();
        assertTrue(other.accept(1));
        assertTrue(other.complete());
        assertFalse(one.mayEnd());
        assertTrue(one.accept(1));
    }

    @Test
    void threadsThatShareAMachineSeeWhatOneAloneSees() throws Exception {
        CompiledGrammar grammar =
                CompiledGrammar.compile(JsonGrammars.any(), GrammarLimits.DEFAULT);
        TokenMachine shared = grammar.on(TRIE);
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<List<Integer>>> walks = new ArrayList<>();
            for (int seed = 0; seed < 8; seed++) {
                var random = new Random(seed);
                walks.add(threads.submit(() -> walk(shared.matcher(), random)));
            }
            for (int seed = 0; seed < 8; seed++) {
                assertEquals(
                        walk(grammar.on(TRIE).matcher(), new Random(seed)),
                        walks.get(seed).get(),
                        "seed " + seed);
            }
        }
    }

    /// Goes through random tokens that the mask allows; hashes of the masks.
    private static List<Integer> walk(Matcher matcher, Random random) {
        List<Integer> seen = new ArrayList<>();
        long[] mask = new long[TRIE.words()];
        for (int step = 0; step < 60; step++) {
            matcher.mask(mask);
            seen.add(Arrays.hashCode(mask));
            int id = random.nextInt(SIZE);
            for (int i = 0; i < SIZE && (mask[id >>> 6] >>> id & 1) == 0; i++) {
                id = (id + 1) % SIZE;
            }
            if (!matcher.accept(id)) {
                assertTrue(matcher.complete());
                break;
            }
        }
        return seen;
    }

    @Test
    void fullTablesAreLeftForFreshOnesAndNothingChanges() {
        var limits = new GrammarLimits(400, 400_000, 3L << 20, 8_000_000, 1_000_000);
        CompiledGrammar grammar =
                CompiledGrammar.compile(
                        new Grammar(
                                Map.of(
                                        "start",
                                        Expression.terminal(JsonGrammars.string(0, 1_000_000))),
                                "start"),
                        limits);
        TokenMachine machine = grammar.on(TRIE);
        Matcher matcher = machine.matcher();
        TokenMachine.Tables first = machine.tables();
        assertTrue(matcher.accept('"'));
        for (int i = 0; i < 5_000; i++) {
            assertTrue(matcher.accept('a' + i % 20));
        }
        assertTrue(machine.tables() != first, "the tables were never left");
        assertFalse(matcher.mayEnd());
        assertTrue(matcher.accept('"'));
        assertTrue(matcher.complete());
    }

    @Test
    void arraysNestTenThousandDeep() {
        Matcher matcher =
                CompiledGrammar.compile(JsonGrammars.any(), GrammarLimits.DEFAULT)
                        .on(TRIE)
                        .matcher();
        for (int i = 0; i < 10_000; i++) {
            assertTrue(matcher.accept('['));
        }
        assertTrue(matcher.accept('1'));
        for (int i = 0; i < 10_000; i++) {
            assertFalse(matcher.mayEnd());
            assertTrue(matcher.accept(']'));
        }
        assertTrue(matcher.complete());
    }
}

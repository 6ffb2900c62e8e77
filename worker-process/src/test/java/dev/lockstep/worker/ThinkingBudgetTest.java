// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.grammar.GrammarException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ThinkingBudgetTest {
    private static final int CLOSE = 1000;

    private static dev.lockstep.proto.v1.ThinkingBudget.Builder proto(int tokens, boolean opened) {
        return dev.lockstep.proto.v1.ThinkingBudget.newBuilder()
                .setTokens(tokens)
                .setOpened(opened)
                .setOpening(ByteString.copyFromUtf8("<think>"))
                .setClosing(ByteString.copyFromUtf8("</think>"))
                .addClosingIds(CLOSE)
                .addClosingIds(CLOSE + 1);
    }

    private static ThinkingBudget budget(int tokens, boolean opened) {
        return ThinkingBudget.of(proto(tokens, opened).build());
    }

    /// Returns after which of the pieces the thinking is closed.
    private static List<Integer> closed(ThinkingBudget budget, String... pieces) {
        List<Integer> closed = new ArrayList<>();
        for (int i = 0; i < pieces.length; i++) {
            budget.accept(i, pieces[i].getBytes(StandardCharsets.UTF_8));
            while (budget.closes()) {
                if (budget.nextClosing() == CLOSE) {
                    closed.add(i + 1);
                }
                budget.accept(budget.nextClosing(), new byte[0]);
            }
        }
        return closed;
    }

    @Test
    void thinkingThatThePromptOpenedIsClosedAfterItsTokens() {
        assertEquals(List.of(3), closed(budget(3, true), "a", "b", "c", "d", "e", "f", "g"));
        assertEquals(List.of(), closed(budget(3, true), "a", "</think>", "c", "d", "e", "f"));
        assertEquals(List.of(), closed(budget(3, true), "a", "b"));
    }

    @Test
    void noTokenOfThinkingIsAllowedWithABudgetOfNone() {
        ThinkingBudget none = budget(0, true);
        assertTrue(none.closes());
        none.accept(CLOSE, new byte[0]);
        assertThrows(GrammarException.class, () -> none.accept(7, new byte[0]));
        none.accept(CLOSE + 1, new byte[0]);
        assertEquals(List.of(), closed(none, "an", "swer"));
        assertEquals(List.of(1), closed(budget(0, false), "<think>", "a"));
    }

    @Test
    void onlyWhatTheModelThinksCounts() {
        assertEquals(List.of(6), closed(budget(3, false), "\n", "<th", "ink>", "a", "b", "c", "d"));
        assertEquals(List.of(), closed(budget(1, false), "no", "<think>", "a", "b", "c"));
        assertEquals(List.of(), closed(budget(1, false), "<thi", "s", " is", " an", " answer"));
    }

    @Test
    void thinkingAgainIsPartOfTheSameBudget() {
        String[] pieces = {"a", "</think>", "\n\n", "<think>", "b", "\n<think>", "c", "d"};
        assertEquals(List.of(5, 6), closed(budget(3, true), pieces));
        assertEquals(
                List.of(), closed(budget(2, true), "</think>", "text", "<think>", "a", "b", "c"));
    }

    @Test
    void aMarkerIsFoundHoweverItIsDivided() {
        assertEquals(List.of(), closed(budget(4, true), "a<", "</", "th", "ink>b", "c", "d", "e"));
        // One that has begun comes to its end, but one that does not end is no way out.
        assertEquals(List.of(), closed(budget(2, true), "a", "</", "think", ">", "c", "d", "e"));
        assertEquals(List.of(3), closed(budget(2, true), "a", "</", "b", "c", "d"));
        String[] endless = new String[20];
        Arrays.fill(endless, "<");
        assertEquals(List.of(10), closed(budget(2, true), endless));
    }

    @Test
    void itKnowsHowManyTokensAreFree() {
        ThinkingBudget budget = budget(3, false);
        assertEquals(3, budget.free());
        budget.accept(1, "<think>".getBytes(StandardCharsets.UTF_8));
        budget.accept(2, new byte[] {'a'});
        assertEquals(2, budget.free());
        budget.accept(3, "</think>".getBytes(StandardCharsets.UTF_8));
        assertEquals(1, budget.free());
        budget.accept(4, new byte[] {'a'});
        assertEquals(Integer.MAX_VALUE, budget.free());
    }

    @Test
    void whatCannotBeABudgetIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> budget(-1, true));
        assertThrows(
                IllegalArgumentException.class,
                () -> ThinkingBudget.of(proto(1, true).clearClosingIds().build()));
        assertThrows(
                IllegalArgumentException.class,
                () -> ThinkingBudget.of(proto(1, false).clearOpening().build()));
    }
}

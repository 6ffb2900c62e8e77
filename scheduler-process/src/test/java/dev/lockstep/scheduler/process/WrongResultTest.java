// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.Joined;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Who is blamed for a checksum or a token that is wrong.
class WrongResultTest {
    private static final CanaryAnswer KNOWN = new CanaryAnswer(7, List.of(11, 11), true);

    @Test
    void equalChecksumsAreRight() {
        assertEquals(Optional.empty(), WrongResult.ofChecksums("x", List.of()));
        assertEquals(Optional.empty(), WrongResult.ofChecksums("x", List.of(5)));
        assertEquals(Optional.empty(), WrongResult.ofChecksums("x", List.of(5, 5, 5)));
    }

    @Test
    void theRankThatDiffersFromMostIsNamed() {
        WrongResult wrong = wrong(List.of(5, 6, 5));
        assertEquals(List.of(1), wrong.suspects());
        assertEquals(
                "the sum differs from that of most ranks in rank 1: 00000005, 00000006, 00000005",
                wrong.reason());
        assertEquals(List.of(0, 3), wrong(List.of(4, 5, 5, 6, 5)).suspects());
    }

    @Test
    void withoutAMajorityEveryRankIsSuspect() {
        assertEquals(List.of(0, 1), wrong(List.of(5, 6)).suspects());
        assertEquals(List.of(0, 1, 2, 3), wrong(List.of(5, 6, 5, 6)).suspects());
        assertEquals(List.of(0, 1, 2), wrong(List.of(4, 5, 6)).suspects());
        assertThrows(IllegalArgumentException.class, () -> new WrongResult(List.of(), "x"));
    }

    @Test
    void aCanaryStepIsComparedWithTheFirstOfItsEpoch() {
        assertEquals(Optional.empty(), WrongResult.ofCanary(KNOWN, KNOWN));
        assertWrong(new CanaryAnswer(8, List.of(11, 11), true), "token 8, known is 7", 2);
        assertWrong(new CanaryAnswer(7, List.of(12, 12), true), "other bits", 2);
        assertWrong(new CanaryAnswer(7, List.of(11, 12), false), "differs between ranks", 2);
        var three = new CanaryAnswer(7, List.of(11, 11, 12), true);
        assertEquals(List.of(2), WrongResult.ofCanary(three, three).orElseThrow().suspects());
    }

    @Test
    void bitsThatNeedNotRepeatAreNotComparedOverTime() {
        var later = new CanaryAnswer(7, List.of(12, 12), false);
        assertEquals(Optional.empty(), WrongResult.ofCanary(KNOWN, later));
    }

    @Test
    void theFirstTokenOfAShapeIsKnownFromThenOn() {
        var canary = new KnownCanary();
        assertEquals(Optional.empty(), canary.check(ranks("a", "b"), KNOWN));
        assertEquals(Optional.empty(), canary.check(ranks("c", "d"), KNOWN));
        // Other shapes may add in another order.
        assertEquals(
                Optional.empty(), canary.check(ranks("e"), new CanaryAnswer(9, List.of(3), true)));
        var wrong = new CanaryAnswer(8, List.of(12, 12), true);
        WrongResult named = canary.check(ranks("f", "g"), wrong).orElseThrow();
        assertEquals(List.of(0, 1), named.suspects());
        assertTrue(named.reason().contains("token 8, known is 7"), named.reason());
        assertEquals(Optional.empty(), canary.check(ranks("h", "i"), KNOWN));
    }

    @Test
    void twoSetsOfProcessesThatAgreeOutvoteTheFirst() {
        var canary = new KnownCanary();
        var other = new CanaryAnswer(8, List.of(12, 12), true);
        assertEquals(Optional.empty(), canary.check(ranks("a", "b"), KNOWN));
        assertTrue(canary.check(ranks("c", "d"), other).isPresent());
        assertTrue(canary.check(ranks("d", "e"), other).isPresent(), "one of the same processes");
        assertEquals(Optional.empty(), canary.check(ranks("f", "g"), other));
        assertTrue(canary.check(ranks("h", "i"), KNOWN).isPresent());
    }

    private static List<Joined> ranks(String... incarnations) {
        return List.of(incarnations).stream()
                .map(each -> Joined.newBuilder().setIncarnation(each).build())
                .toList();
    }

    private static WrongResult wrong(List<Integer> checksums) {
        return WrongResult.ofChecksums("the sum", checksums).orElseThrow();
    }

    private static void assertWrong(CanaryAnswer found, String reason, int suspects) {
        WrongResult wrong = WrongResult.ofCanary(KNOWN, found).orElseThrow();
        assertTrue(wrong.reason().contains(reason), wrong.reason());
        assertEquals(suspects, wrong.suspects().size());
    }
}

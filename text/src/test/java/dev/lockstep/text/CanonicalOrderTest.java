// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.text.Normalizer;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class CanonicalOrderTest {
    /// All Unicode marks: of every combining class, without one, and those that decompose.
    private static final int[] MARKS =
            java.util.stream.IntStream.rangeClosed(0, Character.MAX_CODE_POINT)
                    .filter(c -> Characters.is(c, Characters.MARK))
                    .toArray();

    @Test
    void everyNormalFormOfALongRunStaysTheSame() {
        var random = new Random(3);
        for (int round = 0; round < 40; round++) {
            var text = new StringBuilder("e");
            for (int i = 0; i < 200; i++) {
                text.appendCodePoint(MARKS[random.nextInt(round % 2 == 0 ? MARKS.length : 60)]);
            }
            text.append("xé").append("\u0316\u0301".repeat(70)).append("あ\u3099");
            String ordered = CanonicalOrder.of(text.toString());
            for (Normalizer.Form form : Normalizer.Form.values()) {
                assertEquals(
                        Normalizer.normalize(text, form),
                        Normalizer.normalize(ordered, form),
                        "round " + round);
            }
        }
    }

    @Test
    void ordinaryTextIsReturnedUnchanged() {
        String text = "Việt e\u0301\u0316 हिन्दी";
        assertSame(text, CanonicalOrder.of(text));
    }

    @Test
    void aHundredThousandMarksInTheWorstOrderAreNormalized() {
        String text = "e" + "\u0301\u0316".repeat(50_000);
        String expected = "e" + "\u0316".repeat(50_000) + "\u0301".repeat(50_000);
        assertEquals(expected, Normalizer.normalize(CanonicalOrder.of(text), Normalizer.Form.NFD));
    }
}

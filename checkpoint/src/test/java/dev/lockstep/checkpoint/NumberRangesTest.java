// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.BitSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NumberRangesTest {
    @Test
    void numbersHaveTheirPlacesAmongTheOthers() {
        var numbers = new BitSet();
        numbers.set(3, 6);
        numbers.set(9);
        numbers.set(12, 14);
        NumberRanges ranges = NumberRanges.of(numbers);
        assertEquals("3-5,9,12-13", ranges.toString());
        assertEquals(6, ranges.size());
        int place = 0;
        for (int number = 0; number < 20; number++) {
            assertEquals(numbers.get(number) ? place++ : -1, ranges.index(number), "of " + number);
        }
        assertEquals(ranges, NumberRanges.parse(ranges.toString()));
        assertEquals(0, NumberRanges.parse("").size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"5-3", "3-5,4", "3-5,6", "-1", "x", "1,", "0-2147483647"})
    void textThatIsNoAscendingRangesIsRefused(String text) {
        assertThrows(RuntimeException.class, () -> NumberRanges.parse(text));
    }
}

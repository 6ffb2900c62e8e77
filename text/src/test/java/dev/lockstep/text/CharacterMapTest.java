// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class CharacterMapTest {
    private static final byte[] BYTES =
            DoubleArray.of(
                    Map.of(
                            "ﬁ", "fi", "e\u0301", "é", "Å", "a", "\t", " ", "½", "1/2", "ab", "X",
                            "\u200B", ""));

    @Test
    void theLongestPrefixIsReplacedEverywhere() {
        CharacterMap map = CharacterMap.parse(BYTES);
        assertEquals("find é a 1/2Xac😀", map.applyToPrefixes("ﬁnd\te\u0301 Å ½abac😀\u200B"));
        assertEquals("", map.applyToPrefixes(""));
    }

    @Test
    void graphemesAreReplacedWholeOrByCharacter() {
        CharacterMap map = CharacterMap.parse(BYTES);
        assertEquals("find é a 1/2abac😀", map.applyToGraphemes("ﬁnd\te\u0301 Å ½abac😀\u200B"));
    }

    @Test
    void aDamagedMapIsRefusedOrHarmless() {
        assertThrows(IllegalArgumentException.class, () -> CharacterMap.parse(new byte[3]));
        assertThrows(
                IllegalArgumentException.class,
                () -> CharacterMap.parse(Arrays.copyOf(BYTES, 100)));
        byte[] noise = BYTES.clone();
        new java.util.Random(5).nextBytes(noise);
        System.arraycopy(BYTES, 0, noise, 0, 4);
        for (int i = 0; i < 50; i++) {
            CharacterMap.parse(noise).applyToPrefixes(new RandomText(i).next());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class DecodeSizesTest {
    @Test
    void theLargestSizeIsTheNumberOfSequences() {
        assertEquals(List.of(1), DecodeSizes.upTo(1));
        assertEquals(List.of(1, 2, 3), DecodeSizes.upTo(3));
        assertEquals(List.of(1, 2, 4, 8, 16, 20), DecodeSizes.upTo(20));
        assertEquals(
                List.of(
                        1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224,
                        256, 320, 384, 448, 512),
                DecodeSizes.upTo(2000));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.Rounding;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

/// Rounding to E4M3 and reading it. That C++ does the same is in [StoredFp8Test] and [TwinTest].
class Float8Test {
    /// The lower half of a float's bits: on both sides of the middle of two codes, and in it.
    private static final int[] LOWER = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};

    @Test
    void theNearestCodeIsThatOfAPlainLoop() {
        for (int lower : LOWER) {
            for (int upper = 0; upper < 1 << 16; upper++) {
                float x = Float.intBitsToFloat(upper << 16 | lower);
                if (!Float.isNaN(x)) {
                    float stored = Float8.value(Float8.nearest(x));
                    assertEquals((float) Rounding.toE4m3(x), stored, () -> "of " + x);
                }
            }
        }
    }

    /// The checksum is that of torch 2.15: `x.clamp(-448, 448).to(torch.float8_e4m3fn)`, with the
    /// code of 448 where x is a NaN.
    @Test
    void codesAreThoseOfTorch() {
        var sum = new CRC32();
        for (int lower : LOWER) {
            for (int upper = 0; upper < 1 << 16; upper++) {
                sum.update(Float8.nearest(Float.intBitsToFloat(upper << 16 | lower)));
            }
        }
        assertEquals(0xc172064eL, sum.getValue());
    }

    @Test
    void aCodeIsReadAsTheTwoHundredFiftySixthOfItsValue() {
        for (int code = 0; code < 256; code++) {
            if ((code & 0x7f) != 0x7f) {
                assertEquals(Float8.value(code) / 256, Float8.reduced((byte) code));
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class BoundsIT {
    private static final Bounds BOUNDS = new Bounds(1 << 16, 16);

    /// The last allocation, stored so that the compiler does not remove it.
    private static byte[] waste = {};

    /// A fuzz target that allocates a megabyte.
    public static final class Wasteful {
        private Wasteful() {}

        /// Called by a fuzzer.
        public static void fuzzerTestOneInput(byte[] input) {
            BOUNDS.check(input, _ -> waste = new byte[1 << 20]);
        }
    }

    /// A fuzz target that allocates a megabyte only in the JVM of the fuzzer.
    public static final class Watched {
        private static final boolean ALONE = Boolean.getBoolean("lockstep.fuzz.alone");

        private Watched() {}

        /// Called by a fuzzer.
        public static void fuzzerTestOneInput(byte[] input) {
            BOUNDS.check(input, _ -> waste = new byte[ALONE ? 1 << 10 : 1 << 20]);
        }
    }

    @Test
    void aReaderThatAllocatesTooMuchFails() {
        AssertionError failure =
                assertThrows(AssertionError.class, () -> Wasteful.fuzzerTestOneInput(new byte[10]));
        String found = String.valueOf(failure.getMessage());
        assertTrue(found.contains("10 bytes made the reader allocate 10485"), found);
        assertTrue(found.contains("65536 + 16 times"), found);
        assertTrue(waste.length > 0);
    }

    @Test
    void allocationsOfTheFuzzerAreNotCounted() {
        assertDoesNotThrow(() -> Watched.fuzzerTestOneInput(new byte[10]));
    }
}

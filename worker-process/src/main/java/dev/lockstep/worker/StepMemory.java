// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// The free bytes of a GPU around the largest step of a rank.
///
/// @param before those before anything of the step was allocated
/// @param during those that the step left, as if its KV blocks took nothing
record StepMemory(long before, long during) {
    /// How far a step may exceed its bill without a word: a driver rounds each allocation up to 2
    /// MiB.
    private static final long MARGIN = 64L << 20;

    StepMemory {
        if (during < 0 || before < during) {
            throw new IllegalArgumentException(
                    "a step that leaves %d bytes of %d".formatted(during, before));
        }
    }

    /// Returns the bytes that the step takes.
    long taken() {
        return before - during;
    }

    /// Returns whether the step takes more than a bill has for it, beyond what rounding explains.
    boolean exceeds(long billed) {
        return taken() > billed + MARGIN;
    }
}

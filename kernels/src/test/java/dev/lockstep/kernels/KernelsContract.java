// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;

/// The base of every contract: the test class of an implementation opens its kernels and implements
/// the contract of each op family. An implementation with several activation types has a test class
/// for each.
///
/// Tensors of activations have the type of the implementation, and references are computed from the
/// values that it stores, so that a bound is the op's. Every implementation gives equal bits in a
/// rerun, and a draw that does not depend on its row and slot.
public interface KernelsContract {

    /// Opens kernels with that many threads, where the implementation has threads; skips the test
    /// with a reason where this machine cannot run them.
    Kernels open(int threads);

    /// Returns whether a row has the same bits alone, in any batch and chunk, and with any number
    /// of threads (law 6).
    boolean hasSameBitsInAnyBatch();

    Tolerances tolerances();

    /// Returns the types that plain weights may be prepared for.
    List<DType> computeTypes();

    /// Returns whether activations are quantized to int8 for quantized weights; otherwise these are
    /// decoded to the compute type.
    boolean quantizesActivations();

    /// Returns the length of a sequence that an implementation cuts into several parts.
    default int longSequence() {
        return 1300;
    }

    /// Opens kernels with the memory of a test, freed together.
    default TestDevice device() {
        return new TestDevice(open(2));
    }

    /// Skips a test of law 6, visibly, where the implementation does not promise it.
    default void assumeSameBitsInAnyBatch() {
        assumeTrue(
                hasSameBitsInAnyBatch(),
                () -> "skipped: no promise of the same bits in any batch: " + getClass().getName());
    }

    /// Requires results of the same rows from two batches to have the same bits where the
    /// implementation promises it, and to be close elsewhere.
    ///
    /// @param bound how far either may be from the exact result
    /// @param stored the type of the tensors that the bits, of floats, were read from
    default void requireSameInAnyBatch(
            int[] expected, int[] actual, double bound, DType stored, String what) {
        if (hasSameBitsInAnyBatch()) {
            assertArrayEquals(expected, actual, what);
            return;
        }
        assertEquals(expected.length, actual.length, what);
        for (int i = 0; i < expected.length; i++) {
            float first = Float.intBitsToFloat(expected[i]);
            double rounding = stored == DType.F32 ? 0 : Rounding.unit(stored) * Math.abs(first);
            assertEquals(
                    first,
                    Float.intBitsToFloat(actual[i]),
                    2 * (bound + rounding),
                    what + ", element " + i);
        }
    }
}

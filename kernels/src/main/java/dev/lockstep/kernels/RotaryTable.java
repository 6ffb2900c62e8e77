// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Cosines and sines for every position, computed on the host in double; created by
/// [Kernels#prepareRotary].
///
/// Rotate-half: element i of the first half of the rotated dimensions pairs with element i of the
/// second.
///
/// @param cos `[positions, dimensions / 2]` F32
/// @param sin `[positions, dimensions / 2]` F32
/// @param dimensions the number of leading dimensions of a head that are rotated
public record RotaryTable(Tensor cos, Tensor sin, int dimensions) {

    public RotaryTable {
        if (dimensions % 2 != 0) {
            throw new IllegalArgumentException(
                    "rotary dimensions %d are odd".formatted(dimensions));
        }
        cos.require("cos", DType.F32, cos.rows(), dimensions / 2);
        sin.require("sin", DType.F32, cos.rows(), dimensions / 2);
    }

    public int positions() {
        return cos.rows();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// Rotary positions, rotate-half.
///
/// @param theta base of the frequencies
/// @param rotaryDim leading dimensions of a head that are rotated; the rest are unchanged
public record RopeConfig(double theta, int rotaryDim, RopeScaling scaling) {
    public RopeConfig {
        if (!(theta > 0) || Double.isInfinite(theta)) {
            throw new IllegalArgumentException(
                    "rope theta " + theta + " is not positive and finite");
        }
        if (rotaryDim < 2 || rotaryDim % 2 != 0) {
            throw new IllegalArgumentException(
                    "rotary size " + rotaryDim + " is not a positive even number");
        }
    }
}

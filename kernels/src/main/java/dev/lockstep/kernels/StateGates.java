// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// How the projections of a token become the two gates of each head over its state. With `step =
/// clamp(softplus(second + bias), least, most)`:
///
/// ```
/// first  = steps ? step : logistic(first)     the token's share
/// second = e^(rate · step)                    what the state keeps
/// ```
///
/// @param rate `[1, heads]` F32, negative: `−e^A` of the checkpoint's A
/// @param bias `[1, heads]` F32
/// @param steps whether the share of a token is its step
public record StateGates(Tensor rate, Tensor bias, float least, float most, boolean steps) {

    public StateGates {
        rate.require("rate", DType.F32, 1, rate.columns());
        bias.require("bias", DType.F32, 1, rate.columns());
        if (!(least >= 0 && least <= most)) {
            throw new IllegalArgumentException(
                    "steps of a state between %s and %s".formatted(least, most));
        }
    }

    /// Returns the gates of the gated delta rule, whose shares are gates of their own.
    public static StateGates ofDelta(Tensor rate, Tensor bias) {
        return new StateGates(rate, bias, 0, Float.POSITIVE_INFINITY, false);
    }
}

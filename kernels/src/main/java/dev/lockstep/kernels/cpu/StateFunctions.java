// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The functions of gates over states of one float, bitwise equal to those of `state.cpp`.
final class StateFunctions {
    private StateFunctions() {}

    /// Returns `1 / (1 + e^-x)`.
    static float logistic(float x) {
        return 1 / (Exponential.of(0 - x) + 1);
    }

    /// Returns `log(1 + e^x)`.
    static float softplus(float x) {
        float y = Exponential.of(0 - Math.abs(x));
        float s = y / (y + 2);
        float t = s * s;
        float p = Math.fma(1f / 15, t, 1f / 13);
        p = Math.fma(p, t, 1f / 11);
        p = Math.fma(p, t, 1f / 9);
        p = Math.fma(p, t, 1f / 7);
        p = Math.fma(p, t, 1f / 5);
        p = Math.fma(p, t, 1f / 3);
        p = Math.fma(p, t, 1);
        return Math.fma(2 * s, p, x > 0 ? x : 0);
    }

    /// Returns what a state keeps at a step, `e^(rate · step)`.
    static float kept(float rate, float step) {
        return Exponential.of(rate * step);
    }

    /// Returns the step of a token: [#softplus] between two limits.
    static float step(float x, float least, float most) {
        float step = softplus(x);
        step = step > least ? step : least;
        return step < most ? step : most;
    }
}

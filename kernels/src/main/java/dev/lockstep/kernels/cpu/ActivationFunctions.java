// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Xielu;

/// Activation functions of one float, bitwise equal to those of `activate.cpp`.
final class ActivationFunctions {
    /// `2 √(2/π)`.
    private static final float TANH_SCALE = 0x1.988454p0f;

    private static final float CUBE = 0.044715f;
    private static final float ROOT_HALF = 0x1.6a09e6p-1f;

    private static final float LIMIT = 7;
    private static final float GAIN = 1.702f;

    private ActivationFunctions() {}

    static float of(Activation activation, float x) {
        return switch (activation) {
            case SILU -> logisticShare(x, x);
            case GELU_TANH -> logisticShare(x, TANH_SCALE * Math.fma(CUBE * (x * x), x, x));
            case GELU_ERF -> {
                float half = 0.5f * complement(Math.abs(x) * ROOT_HALF);
                yield x * (x < 0 ? half : 1 - half);
            }
            case CLAMPED_SWIGLU -> throw activation.withoutUp();
            case RELU_SQUARED -> {
                float positive = x < 0 ? 0 : x;
                yield positive * positive;
            }
        };
    }

    /// Returns the activation of the gate times the up projection, or the function of both.
    static float gated(Activation activation, float gate, float up) {
        if (activation != Activation.CLAMPED_SWIGLU) {
            return of(activation, gate) * up;
        }
        float g = LIMIT < gate ? LIMIT : gate;
        float u = up < -LIMIT ? -LIMIT : LIMIT < up ? LIMIT : up;
        return logisticShare(g, GAIN * g) * (u + 1);
    }

    static float of(Xielu xielu, float x) {
        float linear = xielu.beta() * x;
        float small = x < xielu.epsilon() ? x : xielu.epsilon();
        float curve = Exponential.of(small) - 1 - x;
        return x > 0
                ? Math.fma(xielu.positive() * x, x, linear)
                : Math.fma(xielu.negative(), curve, linear);
    }

    /// Returns x times the logistic function of y.
    private static float logisticShare(float x, float y) {
        return x / (Exponential.of(0 - y) + 1);
    }

    /// Returns erfc of a number from 0 on, computed as in `activate.cpp`.
    private static float complement(float z) {
        float t = 1 / Math.fma(z, 0.5f, 1);
        float p = Math.fma(-0x1.e61912p-5f, t, 0x1.24d7dap-2f);
        p = Math.fma(p, t, -0x1.f60aecp-2f);
        p = Math.fma(p, t, 0x1.208106p-2f);
        p = Math.fma(p, t, -0x1.deec1cp-6f);
        p = Math.fma(p, t, 0x1.a16314p-3f);
        p = Math.fma(p, t, 0x1.f14dc2p-3f);
        p = Math.fma(p, t, 0x1.2130c6p-2f);
        p = Math.fma(p, t, 0x1.20dabcp-2f);
        return Exponential.of(0 - z * z) * t * p;
    }
}

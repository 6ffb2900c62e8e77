// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// tanh within 2 ulp, bitwise equal to that of `lanes.h`: near 0 an odd polynomial fitted at
/// Chebyshev nodes, else from `e^2|x|`.
final class HyperbolicTangent {
    private static final float NEAR = 0.625f;
    private static final float C11 = -0x1.8c2d0ap-8f;
    private static final float C9 = 0x1.576e3p-6f;
    private static final float C7 = -0x1.b91582p-5f;
    private static final float C5 = 0x1.110dd8p-3f;
    private static final float C3 = -0x1.555552p-2f;

    private HyperbolicTangent() {}

    static float of(float x) {
        float a = Math.abs(x);
        if (a < NEAR) {
            float s = a * a;
            float p = Math.fma(C11, s, C9);
            p = Math.fma(p, s, C7);
            p = Math.fma(p, s, C5);
            p = Math.fma(p, s, C3);
            return Math.copySign(Math.fma(s * p, a, a), x);
        }
        return Math.copySign(1 - 2 / (Exponential.of(a + a) + 1), x);
    }

    /// Returns `cap · tanh(x / cap)`.
    static float softCap(float x, float cap) {
        return cap * of(x / cap);
    }
}

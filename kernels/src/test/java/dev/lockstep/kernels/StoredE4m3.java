// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Arrays;

/// Keys and values as FP8 stores them, in double: divided by the scale of their head and rounded to
/// E4M3.
///
/// @param keys a scale for each KV head
/// @param values a scale for each KV head
record StoredE4m3(AttentionShape shape, float[] keys, float[] values) {
    /// How near to the middle of two values f32 may round to the other side, in steps.
    private static final double UNSURE = 1e-3;

    /// What the division may be off by in f32, of a half step.
    private static final double DIVISION = 1 + 0x1p-20;

    static StoredE4m3 withoutScales(AttentionShape shape) {
        float[] ones = new float[shape.kvHeads()];
        Arrays.fill(ones, 1);
        return new StoredE4m3(shape, ones, ones);
    }

    /// Returns attention over what is stored.
    AttentionReference rounded(AttentionReference exact) {
        double[][] tokens = new double[exact.tokens().length][];
        for (int t = 0; t < tokens.length; t++) {
            tokens[t] = exact.tokens()[t].clone();
            for (int i = shape.queryHeads() * shape.headSize(); i < tokens[t].length; i++) {
                double scale = scale(i);
                tokens[t][i] = Rounding.toE4m3(tokens[t][i] / scale) * scale;
            }
        }
        return new AttentionReference(shape, tokens, exact.position(), exact.sinks());
    }

    /// Returns by how much what is stored differs from `exact` at most: half a step, or what lies
    /// above the largest value.
    AttentionReference.Moves half(AttentionReference exact) {
        return (token, row, d) -> {
            double scale = scale(row + d);
            double value = exact.tokens()[token][row + d] / scale;
            double half = Rounding.stepOfE4m3(value) / 2 * DIVISION;
            return scale * Math.max(half, Math.abs(value) - 448);
        };
    }

    /// Returns by how much what is stored may differ from [#rounded]: a step, where f32 and double
    /// may round to different sides.
    AttentionReference.Moves otherSide(AttentionReference exact) {
        return (token, row, d) -> {
            double scale = scale(row + d);
            double value = exact.tokens()[token][row + d] / scale;
            double step = Rounding.stepOfE4m3(value);
            double steps = Math.abs(value) / step;
            return Math.abs(steps - Math.floor(steps) - 0.5) < UNSURE ? scale * step : 0;
        };
    }

    private double scale(int element) {
        int head = element / shape.headSize() - shape.queryHeads();
        return head < shape.kvHeads() ? keys[head] : values[head - shape.kvHeads()];
    }
}

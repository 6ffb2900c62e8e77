// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Attention of one of some tokens over all that it may attend to, in double.
///
/// @param tokens the fused row of each token, rotated: queries, keys, values
/// @param position which token it is: with a window it does not attend to all before it
/// @param sinks a score for each query head that has no value; no elements for none
public record AttentionReference(
        AttentionShape shape, double[][] tokens, int position, float[] sinks) {

    /// Returns the result, `[queryHeads · headSize]`.
    public double[] output() {
        int size = shape.headSize();
        double[] out = new double[shape.queryHeads() * size];
        for (int head = 0; head < shape.queryHeads(); head++) {
            double[] weights = weights(head);
            for (int t = 0; t < tokens.length; t++) {
                for (int d = 0; d < size; d++) {
                    out[head * size + d] += weights[t] * tokens[t][value(head) + d];
                }
            }
        }
        return out;
    }

    /// How far an element of a key or value may be from what is stored of it.
    @FunctionalInterface
    public interface Moves {
        /// Returns the distance for one element of a token.
        ///
        /// @param row where the key or value begins in the token
        /// @param d the element's dimension
        double by(int token, int row, int d);
    }

    /// Returns how far each element of [#output] may move when keys and values are stored as q8: an
    /// element moves by half a [step][#step] of its group at most.
    public double[] boundOfQ8() {
        return bound((token, row, d) -> step(tokens[token], row, d) / 2);
    }

    /// Returns how far each element of [#output] may move when the elements of keys and values do.
    ///
    /// Where they move by m, a score moves by e = scale · Σ |q| · m at most, which a soft cap does
    /// not enlarge; E is the largest e of all tokens attended to. A weight w becomes one in [w / r,
    /// w · r] with r = exp(2E), as numerator and denominator of the softmax move by a factor of
    /// exp(E) at most. The result moves by the part of the weights, (r - 1) · Σ w · |v|, and that
    /// of the values, r · Σ w · m.
    public double[] bound(Moves moves) {
        int size = shape.headSize();
        double[] bound = new double[shape.queryHeads() * size];
        for (int head = 0; head < shape.queryHeads(); head++) {
            double[] weights = weights(head);
            double ratio = Math.exp(2 * largestMoveOfScore(head, weights, moves));
            for (int t = 0; t < tokens.length; t++) {
                for (int d = 0; d < size; d++) {
                    double moved = ratio * moves.by(t, value(head), d);
                    double reweighed = (ratio - 1) * Math.abs(tokens[t][value(head) + d]);
                    bound[head * size + d] += weights[t] * (moved + reweighed);
                }
            }
        }
        return bound;
    }

    /// Returns the distance of neighbouring codes in the group of dimension `d` of a key or value:
    /// its largest magnitude / 127, rounded to f16.
    ///
    /// @param row where the key or value begins in the token
    public static double step(double[] token, int row, int d) {
        double largest = 0;
        int from = row + d / KvLayout.GROUP * KvLayout.GROUP;
        for (int i = from; i < from + KvLayout.GROUP; i++) {
            largest = Math.max(largest, Math.abs(token[i]));
        }
        // What is rounded is F32 and may be off by some units of it; below 2^-14 a unit of f16 is
        // 2^-24.
        return largest / 127 * (1 + Rounding.unit(DType.F16) + 0x1p-20) + 0x1p-24;
    }

    private double largestMoveOfScore(int head, double[] weights, Moves moves) {
        double[] own = tokens[position];
        double largest = 0;
        for (int t = 0; t < tokens.length; t++) {
            if (weights[t] == 0) {
                continue;
            }
            double move = 0;
            for (int d = 0; d < shape.headSize(); d++) {
                double query = Math.abs(own[head * shape.headSize() + d]);
                move += query * moves.by(t, key(head), d);
            }
            largest = Math.max(largest, move * Math.abs(shape.scale()));
        }
        return largest;
    }

    private int key(int head) {
        return (shape.queryHeads() + shape.kvHeadOf()[head]) * shape.headSize();
    }

    private int value(int head) {
        return key(head) + shape.kvHeads() * shape.headSize();
    }

    /// Returns the weight of each token; with that of the sink they add to 1.
    private double[] weights(int head) {
        int last = tokens.length - 1;
        double[] weights = new double[tokens.length];
        double max = Double.NEGATIVE_INFINITY;
        for (int t = 0; t <= last; t++) {
            for (int d = 0; d < shape.headSize(); d++) {
                weights[t] +=
                        tokens[position][head * shape.headSize() + d] * tokens[t][key(head) + d];
            }
            weights[t] = capped(weights[t] * shape.scale());
            if (t < shape.firstSeen(position)) {
                weights[t] = Double.NEGATIVE_INFINITY;
            }
            max = Math.max(max, weights[t]);
        }
        double sum = 0;
        if (sinks.length > 0) {
            max = Math.max(max, sinks[head]);
            sum = Math.exp(sinks[head] - max);
        }
        for (int t = 0; t <= last; t++) {
            weights[t] = Math.exp(weights[t] - max);
            sum += weights[t];
        }
        for (int t = 0; t <= last; t++) {
            weights[t] /= sum;
        }
        return weights;
    }

    private double capped(double score) {
        return shape.softCap() == 0 ? score : shape.softCap() * Math.tanh(score / shape.softCap());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Experts with random stored weights, run by kernels and by loops in double.
///
/// @param gateUp of each expert, `[2I, H]`
/// @param down of each expert, `[H, I]`
record ExpertRun(
        List<StoredMatrix> gateUp,
        List<StoredMatrix> down,
        DType compute,
        Activation activation,
        int perToken,
        boolean renormalized) {
    static final int EXPERTS = 7;
    static final int HIDDEN = 64;
    static final int COLUMNS = 96;

    ExpertRun {
        gateUp = List.copyOf(gateUp);
        down = List.copyOf(down);
    }

    static ExpertRun of(TensorType gateUp, TensorType down, DType compute) {
        return new ExpertRun(
                random(gateUp, 2 * COLUMNS, HIDDEN, 10),
                random(down, HIDDEN, COLUMNS, 20),
                compute,
                Activation.SILU,
                3,
                true);
    }

    private static List<StoredMatrix> random(TensorType type, int rows, int columns, long seed) {
        return IntStream.range(0, EXPERTS)
                .mapToObj(e -> StoredMatrix.random(type, rows, columns, seed + e))
                .toList();
    }

    /// Returns the same weights, chosen otherwise.
    ExpertRun choosing(Activation activation, int perToken, boolean renormalized) {
        return new ExpertRun(gateUp, down, compute, activation, perToken, renormalized);
    }

    ExpertLayer layer(Kernels kernels) {
        return layer(kernels, 0, COLUMNS);
    }

    /// Packs the feed-forward columns `[from, to)` of every expert.
    ExpertLayer layer(Kernels kernels, int from, int to) {
        int[] rows =
                IntStream.concat(
                                IntStream.range(from, to),
                                IntStream.range(COLUMNS + from, COLUMNS + to))
                        .toArray();
        int[] all = IntStream.range(0, HIDDEN).toArray();
        List<ExpertWeights> experts = new ArrayList<>();
        for (int e = 0; e < gateUp.size(); e++) {
            experts.add(
                    new ExpertWeights(
                            kernels.prepare(List.of(gateUp.get(e).shard(rows, 0, HIDDEN)), compute),
                            kernels.prepare(List.of(down.get(e).shard(all, from, to)), compute)));
        }
        return new ExpertLayer(experts, activation, perToken, renormalized);
    }

    static ExpertScratch scratch(TestDevice device, int rows, int columns) {
        return new ExpertScratch(
                device.zeros(rows, HIDDEN),
                device.zeros(rows, 2 * columns),
                device.zeros(rows, columns),
                device.zeros(rows, HIDDEN));
    }

    /// Runs all columns and returns the output of each token.
    Tensor run(TestDevice device, float[] x, float[] logits) {
        int tokens = x.length / HIDDEN;
        Tensor out = device.zeros(tokens, HIDDEN);
        ExpertSet set = device.kernels().prepareExperts(layer(device.kernels()));
        run(device, set, x, logits, out);
        return out;
    }

    static void run(TestDevice device, ExpertSet set, float[] x, float[] logits, Tensor out) {
        int tokens = x.length / HIDDEN;
        device.kernels()
                .experts(
                        set,
                        device.activations(tokens, HIDDEN, x),
                        device.floats(tokens, EXPERTS, logits),
                        scratch(
                                device,
                                Math.max(tokens, set.layer().perToken()),
                                set.layer().columns()),
                        out);
    }

    /// Returns the output of every token, `[tokens][H]`, in double.
    double[][] expected(float[] x, float[] logits) {
        double[][] out = new double[x.length / HIDDEN][HIDDEN];
        for (int t = 0; t < out.length; t++) {
            double[] weights = weights(logits, t);
            for (int e = 0; e < EXPERTS; e++) {
                if (weights[e] > 0) {
                    double[] product = product(e, x, t);
                    for (int h = 0; h < HIDDEN; h++) {
                        out[t][h] += weights[e] * dot(down.get(e), h, product);
                    }
                }
            }
        }
        return out;
    }

    private double[] product(int expert, float[] x, int token) {
        double[] row = IntStream.range(0, HIDDEN).mapToDouble(h -> x[token * HIDDEN + h]).toArray();
        double[] product = new double[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) {
            product[c] =
                    activated(dot(gateUp.get(expert), c, row))
                            * dot(gateUp.get(expert), COLUMNS + c, row);
        }
        return product;
    }

    private static double dot(StoredMatrix matrix, int row, double[] x) {
        double sum = 0;
        for (int c = 0; c < x.length; c++) {
            sum += matrix.at(row, c) * x[c];
        }
        return sum;
    }

    private double activated(double x) {
        return switch (activation) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH ->
                    x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case GELU_ERF -> throw new IllegalArgumentException("not in this reference");
        };
    }

    /// Returns a token's weight for each expert, 0 for those it does not use.
    private double[] weights(float[] logits, int token) {
        double[] shares =
                IntStream.range(0, EXPERTS)
                        .mapToDouble(e -> Math.exp(logits[token * EXPERTS + e]))
                        .toArray();
        double sum = IntStream.range(0, EXPERTS).mapToDouble(e -> shares[e]).sum();
        // A stable sort: the lower number first among ties.
        List<Integer> chosen =
                Stream.iterate(0, e -> e + 1)
                        .limit(EXPERTS)
                        .sorted((a, b) -> Double.compare(shares[b], shares[a]))
                        .limit(perToken)
                        .toList();
        double total = renormalized ? chosen.stream().mapToDouble(e -> shares[e]).sum() : sum;
        double[] weights = new double[EXPERTS];
        chosen.forEach(e -> weights[e] = shares[e] / total);
        return weights;
    }

    /// Returns how far the root mean square of a row's errors may be from 0, relative to that of
    /// the row.
    ///
    /// @param stored the type of activations
    /// @param quantizesActivations for quantized weights, which are decoded otherwise
    double bound(DType stored, boolean quantizesActivations) {
        boolean quantizedGateUp = gateUp.getFirst().type().isQuantized();
        boolean quantized = quantizedGateUp || down.getFirst().type().isQuantized();
        // Sums of 64 and 96 terms, an exponential, and a sum of three experts.
        double bound = 1e-5;
        if (stored != DType.F32) {
            // Gate and up, their product, and the output of an expert.
            bound += 4 * Rounding.unit(stored);
        }
        if (compute == DType.BF16 && !(quantizedGateUp && quantizesActivations)) {
            // Both inputs of both products.
            bound += 4 * Rounding.unit(DType.BF16);
        }
        // Where activations are rounded to int8, those of x and of the product, whose largest
        // values are far from the others: some percent; another expert would be an error near 1.
        return quantized && quantizesActivations ? bound + 0.08 : bound;
    }
}

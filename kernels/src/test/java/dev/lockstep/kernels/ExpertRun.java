// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// Experts with random stored weights, run by kernels and by loops in double.
///
/// @param gateUp of each expert, `[2I, H]`; experts without a gate use the rows of up alone
/// @param down of each expert, `[H, I]`
record ExpertRun(
        List<StoredMatrix> gateUp,
        List<StoredMatrix> down,
        DType compute,
        Activation activation,
        Choice choice,
        Form form) {
    static final int EXPERTS = 6;
    static final int HIDDEN = 64;
    static final int COLUMNS = 96;

    /// What an expert computes, see [Kernels#experts].
    record Form(boolean gated, boolean weighsInputs) {}

    /// How tokens choose, with the values that kernels get in device memory.
    ///
    /// @param correction empty for none
    /// @param biases whether every product has a bias
    /// @param factors empty for none
    record Choice(
            ExpertRouting routing, List<Float> correction, boolean biases, List<Float> factors) {

        Choice(ExpertRouting routing, List<Float> correction, boolean biases) {
            this(routing, correction, biases, List.of());
        }

        static Choice softmax(int perToken, boolean renormalized) {
            return new Choice(ExpertRouting.softmax(perToken, renormalized), List.of(), false);
        }

        ExpertRouting prepared(Kernels kernels) {
            ExpertRouting corrected =
                    new ExpertRouting(
                            routing.perToken(),
                            routing.score(),
                            routing.renormalized(),
                            routing.scale(),
                            vector(kernels, correction),
                            routing.groups(),
                            routing.keptGroups(),
                            routing.rank());
            return vector(kernels, factors).map(corrected::withFactors).orElse(corrected);
        }

        private static Optional<Tensor> vector(Kernels kernels, List<Float> values) {
            float[] floats = new float[values.size()];
            for (int i = 0; i < floats.length; i++) {
                floats[i] = values.get(i);
            }
            return values.isEmpty() ? Optional.empty() : Optional.of(kernels.prepareVector(floats));
        }
    }

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
                Choice.softmax(3, true),
                new Form(true, false));
    }

    private static List<StoredMatrix> random(TensorType type, int rows, int columns, long seed) {
        return IntStream.range(0, EXPERTS)
                .mapToObj(e -> StoredMatrix.random(type, rows, columns, seed + e))
                .toList();
    }

    /// Returns the same weights, chosen otherwise.
    ExpertRun choosing(Activation activation, int perToken, boolean renormalized) {
        return choosing(activation, Choice.softmax(perToken, renormalized));
    }

    ExpertRun choosing(Activation activation, Choice choice) {
        return new ExpertRun(gateUp, down, compute, activation, choice, form);
    }

    /// Returns experts of another form with the same weights.
    ExpertRun of(Form form) {
        return new ExpertRun(gateUp, down, compute, activation, choice, form);
    }

    ExpertLayer layer(Kernels kernels) {
        return layer(kernels, 0, COLUMNS);
    }

    /// Packs the feed-forward columns `[from, to)` of every expert.
    ExpertLayer layer(Kernels kernels, int from, int to) {
        int[] rows =
                IntStream.concat(
                                IntStream.range(from, form.gated() ? to : from),
                                IntStream.range(COLUMNS + from, COLUMNS + to))
                        .toArray();
        int[] all = IntStream.range(0, HIDDEN).toArray();
        List<ExpertWeights> experts = new ArrayList<>();
        for (int e = 0; e < gateUp.size(); e++) {
            PackedWeight packedGateUp =
                    kernels.prepare(List.of(gateUp.get(e).shard(rows, 0, HIDDEN)), compute);
            PackedWeight packedDown =
                    kernels.prepare(List.of(down.get(e).shard(all, from, to)), compute);
            experts.add(
                    choice.biases()
                            ? new ExpertWeights(
                                    packedGateUp,
                                    packedDown,
                                    Optional.of(kernels.prepareVector(bias(e, rows))),
                                    Optional.of(kernels.prepareVector(bias(e + 50, all))))
                            : new ExpertWeights(packedGateUp, packedDown));
        }
        return new ExpertLayer(experts, activation, choice.prepared(kernels), form.weighsInputs());
    }

    /// Returns some values of a random bias.
    private static float[] bias(int seed, int[] rows) {
        float[] all = TestValues.normal(new Random(seed), 2 * COLUMNS);
        float[] some = new float[rows.length];
        for (int i = 0; i < some.length; i++) {
            some[i] = all[rows[i]];
        }
        return some;
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
                    double[] product = product(e, x, t, form.weighsInputs() ? weights[e] : 1);
                    for (int h = 0; h < HIDDEN; h++) {
                        double output = dot(down.get(e), h, product) + added(e + 50, h);
                        out[t][h] += (form.weighsInputs() ? 1 : weights[e]) * output;
                    }
                }
            }
        }
        return out;
    }

    private double[] product(int expert, float[] x, int token, double factor) {
        double[] row =
                IntStream.range(0, HIDDEN)
                        .mapToDouble(h -> factor * x[token * HIDDEN + h])
                        .toArray();
        double[] product = new double[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) {
            double up = dot(gateUp.get(expert), COLUMNS + c, row) + added(expert, COLUMNS + c);
            product[c] =
                    form.gated()
                            ? gated(dot(gateUp.get(expert), c, row) + added(expert, c), up)
                            : activated(up);
        }
        return product;
    }

    private double added(int seed, int row) {
        return choice.biases() ? bias(seed, new int[] {row})[0] : 0;
    }

    private static double dot(StoredMatrix matrix, int row, double[] x) {
        double sum = 0;
        for (int c = 0; c < x.length; c++) {
            sum += matrix.at(row, c) * x[c];
        }
        return sum;
    }

    private double gated(double x, double up) {
        if (activation == Activation.CLAMPED_SWIGLU) {
            double gate = Math.min(x, 7);
            return gate / (1 + Math.exp(-1.702 * gate)) * (Math.clamp(up, -7, 7) + 1);
        }
        return activated(x) * up;
    }

    private double activated(double x) {
        return switch (activation) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH ->
                    x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case RELU_SQUARED -> Math.pow(Math.max(x, 0), 2);
            case GELU_ERF, CLAMPED_SWIGLU ->
                    throw new IllegalArgumentException("not in this reference");
        };
    }

    /// Returns a token's weight for each expert, 0 for those it does not use.
    private double[] weights(float[] logits, int token) {
        ExpertRouting routing = choice.routing();
        double[] scores = scores(logits, token, routing.score());
        double[] choices = scores.clone();
        for (int e = 0; e < choice.correction().size(); e++) {
            choices[e] += choice.correction().get(e);
        }
        int size = EXPERTS / routing.groups();
        List<Integer> groups =
                best(
                        IntStream.range(0, routing.groups()).boxed().toList(),
                        group -> rank(choices, group * size, size, routing.rank()),
                        routing.keptGroups());
        List<Integer> chosen =
                best(
                        IntStream.range(0, EXPERTS)
                                .boxed()
                                .filter(e -> groups.contains(e / size))
                                .toList(),
                        e -> choices[e],
                        routing.perToken());
        double total =
                routing.renormalized() ? chosen.stream().mapToDouble(e -> scores[e]).sum() : 1;
        double[] weights = new double[EXPERTS];
        chosen.forEach(
                e -> {
                    double factor = choice.factors().isEmpty() ? 1 : choice.factors().get(e);
                    weights[e] = scores[e] / total * routing.scale() * factor;
                });
        return weights;
    }

    private static double[] scores(float[] logits, int token, ExpertRouting.Score score) {
        double[] own =
                IntStream.range(0, EXPERTS).mapToDouble(e -> logits[token * EXPERTS + e]).toArray();
        double sum = Arrays.stream(own).map(Math::exp).sum();
        return switch (score) {
            case SOFTMAX -> Arrays.stream(own).map(logit -> Math.exp(logit) / sum).toArray();
            case SIGMOID -> Arrays.stream(own).map(logit -> 1 / (1 + Math.exp(-logit))).toArray();
        };
    }

    /// Sorts in a stable way: the lower number first among ties.
    private static List<Integer> best(
            List<Integer> numbers, ToDoubleFunction<Integer> value, int count) {
        return numbers.stream()
                .sorted((a, b) -> Double.compare(value.applyAsDouble(b), value.applyAsDouble(a)))
                .limit(count)
                .toList();
    }

    private static double rank(double[] choices, int from, int size, ExpertRouting.GroupRank rank) {
        return Arrays.stream(choices, from, from + size)
                .boxed()
                .sorted(Comparator.reverseOrder())
                .limit(rank == ExpertRouting.GroupRank.BEST ? 1 : 2)
                .mapToDouble(choice -> choice)
                .sum();
    }

    /// Returns how far the root mean square of a row's errors may be from 0, relative to that of
    /// the row.
    ///
    /// @param stored the type of activations
    /// @param quantizesActivations for quantized weights, which are decoded otherwise
    double bound(DType stored, boolean quantizesActivations) {
        boolean quantizedGateUp = gateUp.getFirst().type().multipliesInt8();
        boolean quantized = quantizedGateUp || down.getFirst().type().multipliesInt8();
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

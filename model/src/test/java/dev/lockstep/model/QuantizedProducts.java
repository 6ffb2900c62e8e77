// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Rounding;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;

/// The products of a [ReferenceDecoder] with exact weights and with inputs rounded as the kernels
/// round them.
///
/// A value near the middle of two codes could be rounded to either by two computations that differ
/// in their last bits, and all that follows it would differ by a code. So what is rounded are the
/// inputs that a model's ranks had in their last step, after each was required to be the
/// reference's own up to the error of f32. Then the rounded inputs of both are the same.
final class QuantizedProducts implements ReferenceDecoder.Products {
    private static final int BLOCK = 32;

    private final Checkpoint checkpoint;
    private final double tolerance;
    private final Map<Integer, Map<String, Observed>> ranks = new ConcurrentSkipListMap<>();
    private final Map<String, WeightMatrix> matrices = new HashMap<>();
    private final Map<Held, double[][]> values = new HashMap<>();

    /// The rows of a matrix that a rank has, and the inputs `[T, columns]` of its last product.
    private record Observed(WeightRows weights, DType compute, float[] x) {
        /// Returns the type that inputs are rounded to.
        DType rounding() {
            return weights.type().multipliesInt8() ? DType.I8 : compute;
        }
    }

    /// A matrix in the type that a product has it in.
    private record Held(String name, TensorType type, DType compute) {}

    private record Prepared(List<WeightRows> segments, DType compute) {}

    /// @param tolerance of an input, relative to the largest one of its token
    QuantizedProducts(Checkpoint checkpoint, double tolerance) {
        this.checkpoint = checkpoint;
        this.tolerance = tolerance;
    }

    /// Returns kernels of a rank that compute what `target` does, and whose products are observed.
    Kernels observed(int rank, Kernels target) {
        Map<String, Observed> own = new HashMap<>();
        ranks.put(rank, own);
        var packed = new IdentityHashMap<PackedWeight, Prepared>();
        return Delegation.of(
                Kernels.class,
                (_, method, arguments) -> {
                    if (method.getName().equals("matmul") && arguments != null) {
                        observe(target, own, packed, arguments);
                    }
                    Object result = Delegation.pass(target, method, arguments);
                    if (result instanceof PackedWeight weight && arguments != null) {
                        packed.put(weight, prepared(arguments));
                    }
                    return result;
                });
    }

    private static Prepared prepared(Object[] arguments) {
        List<WeightRows> segments =
                ((List<?>) arguments[0]).stream().map(WeightRows.class::cast).toList();
        return new Prepared(segments, (DType) arguments[1]);
    }

    private static void observe(
            Kernels target,
            Map<String, Observed> own,
            Map<PackedWeight, Prepared> packed,
            Object[] arguments) {
        Tensor x = (Tensor) arguments[0];
        Prepared weight = packed.get((PackedWeight) arguments[1]);
        if (weight == null || x.columns() == 0) {
            return;
        }
        float[] inputs = ObservedProducts.values(target, x);
        for (WeightRows segment : weight.segments()) {
            if (segment.rows().length > 0) {
                own.put(segment.name(), new Observed(segment, weight.compute(), inputs));
            }
        }
    }

    /// Returns whether some product of the last step rounded its inputs to int8.
    boolean roundsToInt8() {
        return ranks.values().stream()
                .flatMap(own -> own.values().stream())
                .anyMatch(each -> each.rounding() == DType.I8);
    }

    @Override
    public double[] product(String name, int token, double[] exact) {
        WeightMatrix stored = matrices.computeIfAbsent(name, checkpoint::tensor);
        double[] out = new double[stored.rows()];
        int from = 0;
        for (Observed part : parts(name, exact.length)) {
            int columns = part.weights().columns();
            double[] x =
                    rounded(name, part, token, Arrays.copyOfRange(exact, from, from + columns));
            double[][] weights = values(stored, part);
            for (int row = 0; row < out.length; row++) {
                for (int c = 0; c < columns; c++) {
                    out[row] += weights[row][from + c] * x[c];
                }
            }
            from += columns;
        }
        assertEquals(exact.length, from, name);
        return out;
    }

    /// Returns the inputs of one rank if it has all columns, else of all ranks in turn.
    private List<Observed> parts(String name, int columns) {
        List<Observed> all =
                ranks.values().stream()
                        .flatMap(own -> Optional.ofNullable(own.get(name)).stream())
                        .toList();
        return all.stream()
                .filter(each -> each.weights().columns() == columns)
                .findFirst()
                .map(List::of)
                .orElse(all);
    }

    private double[][] values(WeightMatrix stored, Observed part) {
        return values.computeIfAbsent(
                new Held(stored.name(), part.weights().type(), part.compute()),
                held -> {
                    WeightMatrix exact = stored.exact();
                    WeightMatrix matrix = held.type() == exact.type() ? exact : stored.plain();
                    assertEquals(held.type(), matrix.type(), held.name());
                    double[][] all = QuantizedValues.of(matrix);
                    if (!held.type().isQuantized() && held.compute() == DType.BF16) {
                        for (double[] row : all) {
                            Arrays.setAll(row, c -> Rounding.of((float) row[c], DType.BF16));
                        }
                    }
                    return all;
                });
    }

    private double[] rounded(String name, Observed part, int token, double[] exact) {
        float[] x = Arrays.copyOfRange(part.x(), token * exact.length, (token + 1) * exact.length);
        double largest = Arrays.stream(exact).map(Math::abs).max().orElse(0);
        for (int i = 0; i < x.length; i++) {
            assertEquals(exact[i], x[i], tolerance * largest, name);
        }
        double[] out = new double[x.length];
        switch (part.rounding()) {
            case I8 -> {
                for (int block = 0; block < x.length; block += BLOCK) {
                    roundBlock(x, part.weights().columnOrder(), block, out);
                }
            }
            case BF16 -> {
                for (int i = 0; i < x.length; i++) {
                    out[i] = Rounding.of(x[i], DType.BF16);
                }
            }
            default -> {
                for (int i = 0; i < x.length; i++) {
                    out[i] = x[i];
                }
            }
        }
        return out;
    }

    /// Rounds 32 inputs, which stand where the order says, to codes of -127 to 127 times a scale.
    private static void roundBlock(float[] x, Optional<int[]> order, int block, double[] out) {
        int[] places = new int[BLOCK];
        float largest = 0;
        for (int i = 0; i < BLOCK; i++) {
            places[i] = order.isPresent() ? order.get()[block + i] : block + i;
            largest = Math.max(largest, Math.abs(x[places[i]]));
        }
        if (largest / 127f < Float.MIN_NORMAL) {
            return;
        }
        for (int place : places) {
            out[place] = Math.rint(x[place] * (127f / largest)) * (largest / 127f);
        }
    }
}

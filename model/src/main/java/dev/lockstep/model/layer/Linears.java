package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.WeightSlice;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.List;

/// Packs linear layers with their biases, cut for one rank.
final class Linears {
    private Linears() {}

    /// Cut by outputs: the given rows, one below the other.
    static ColumnParallelLinear outputs(Weights weights, OutputRows... parts) {
        List<OutputRows> all = List.of(parts);
        return new ColumnParallelLinear(weights.kernels(), weights.rows(all), weights.bias(all));
    }

    /// Cut by inputs; the bias is whole, added once after the sum.
    static RowParallelLinear inputs(
            Weights weights, String name, WeightSlice matrix, Span columns) {
        OutputRows all = weights.part(name, matrix, new Span(0, matrix.rows()));
        return new RowParallelLinear(
                weights.kernels(), weights.columns(matrix, columns), weights.bias(List.of(all)));
    }
}

package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;

/// The whole of q and the whole of k, whose heads are on several ranks: the squares are summed over
/// them, a copied KV head counted once.
///
/// @param query weights of this rank's query columns
/// @param counted key columns of this rank that it counts
public record VectorNorm(
        Kernels kernels,
        Tensor query,
        Tensor key,
        float epsilon,
        int queryWidth,
        int keyWidth,
        Span counted)
        implements QueryKeyNorm {

    public static VectorNorm of(
            Kernels kernels, ModelConfig config, Shard shard, Tensor query, Tensor key) {
        return new VectorNorm(
                kernels,
                query,
                key,
                (float) config.normEpsilon(),
                config.attention().queryWidth(),
                config.attention().kvWidth(),
                shard.countedKvHeads(config).times(config.attention().headDim()));
    }

    @Override
    public void apply(Tensor queries, Tensor keys, ActivationBuffers activations) {
        Tensor sums = activations.squareSums(queries.rows());
        Tensor querySums = sums.columns(0, 1);
        Tensor keySums = sums.columns(1, 2);
        kernels.squareSums(queries, querySums);
        kernels.squareSums(keys.columns(counted.from(), counted.to()), keySums);
        activations.communicator().allReduceSum(sums);
        kernels.normalizeBySums(queries, querySums, queryWidth, query, epsilon);
        kernels.normalizeBySums(keys, keySums, keyWidth, key, epsilon);
    }
}

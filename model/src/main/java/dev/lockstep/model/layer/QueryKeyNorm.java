// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;

/// RMSNorm of queries and keys before they are rotated.
public sealed interface QueryKeyNorm {

    /// Norms queries and keys in place.
    ///
    /// @param queries `[T, query columns of this rank]`
    /// @param keys `[T, key columns of this rank]`
    void apply(Tensor queries, Tensor keys, ActivationBuffers activations);

    /// Norms each head of q and of k separately.
    ///
    /// @param query `[1, head size]`
    /// @param key `[1, head size]`
    record PerHead(Kernels kernels, Tensor query, Tensor key, float epsilon)
            implements QueryKeyNorm {

        @Override
        public void apply(Tensor queries, Tensor keys, ActivationBuffers activations) {
            kernels.rmsNormHeads(queries, query, epsilon);
            kernels.rmsNormHeads(keys, key, epsilon);
        }
    }

    /// Norms the whole q and the whole k, whose heads are on several ranks: the squares are summed
    /// over the ranks, each KV head counted once although several ranks may hold a copy.
    ///
    /// @param query the weights of this rank's query columns
    /// @param key the weights of this rank's key columns
    /// @param queryWidth columns of q on all ranks
    /// @param keyWidth columns of k on all ranks
    /// @param counted the key columns whose squares this rank contributes
    record PerVector(
            Kernels kernels,
            Tensor query,
            Tensor key,
            float epsilon,
            int queryWidth,
            int keyWidth,
            Span counted)
            implements QueryKeyNorm {

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

    /// Multiplies queries and keys instead of norming them.
    record Factors(Kernels kernels, float query, float key) implements QueryKeyNorm {

        @Override
        public void apply(Tensor queries, Tensor keys, ActivationBuffers activations) {
            kernels.scale(queries, query);
            kernels.scale(keys, key);
        }
    }

    /// Loads norms of single heads, whose factors are the stored weights plus `added`.
    ///
    /// @param attention the prefix of `q_norm` and `k_norm`
    static PerHead perHead(Weights weights, String attention, float added) {
        return perHead(weights, attention + ".q_norm", attention + ".k_norm", added);
    }

    /// Loads norms of single heads by the names of both vectors, without `.weight`; their factors
    /// are the stored weights plus `added`.
    static PerHead perHead(Weights weights, String query, String key, float added) {
        int size = weights.config().attention().headDim();
        var all = new Span(0, size);
        return new PerHead(
                weights.kernels(),
                weights.vector(query + ".weight", size, all, added),
                weights.vector(key + ".weight", size, all, added),
                (float) weights.config().normEpsilon());
    }

    /// Loads norms of the whole q and the whole k.
    ///
    /// @param attention the prefix of `q_norm` and `k_norm`
    static PerVector perVector(Weights weights, String attention) {
        AttentionConfig config = weights.config().attention();
        Shard shard = weights.shard();
        int queryWidth = config.queryWidth();
        int keyWidth = config.kvWidth();
        Span queries = shard.queryHeads().times(config.headDim());
        Span keys = shard.kvHeads().times(config.headDim());
        return new PerVector(
                weights.kernels(),
                weights.vector(attention + ".q_norm.weight", queryWidth, queries, 0),
                weights.vector(attention + ".k_norm.weight", keyWidth, keys, 0),
                (float) weights.config().normEpsilon(),
                queryWidth,
                keyWidth,
                shard.countedKvHeads(weights.config()).times(config.headDim()));
    }
}

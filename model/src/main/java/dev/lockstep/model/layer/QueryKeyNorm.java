// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.RowOrder;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;

/// A norm of queries and keys before they are rotated.
public sealed interface QueryKeyNorm {

    /// Norms queries and keys in place.
    ///
    /// @param queries `[T, query columns of this rank]`
    /// @param keys `[T, key columns of this rank]`
    void apply(Tensor queries, Tensor keys, ActivationBuffers activations);

    /// Norms values in place, in families that do.
    ///
    /// @param values `[T, value columns of this rank]`
    default void applyToValues(Tensor values) {
        // most families do not
    }

    /// Norms each head of q and of k separately, and those of v without weights.
    ///
    /// @param ones the factors of a value's head, `[1, head size]`
    record OfValuesToo(PerHead norm, Tensor ones) implements QueryKeyNorm {

        @Override
        public void apply(Tensor queries, Tensor keys, ActivationBuffers activations) {
            norm.apply(queries, keys, activations);
        }

        @Override
        public void applyToValues(Tensor values) {
            norm.kernels().rmsNormHeads(values, ones, norm.epsilon());
        }
    }

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

    /// LayerNorm of each head of q and of k separately, without biases; every head has factors of
    /// its own.
    ///
    /// @param queryHeads a norm for each query head of this rank
    /// @param keyHeads a norm for each KV head of this rank
    record LayerPerHead(List<Norm.Layer> queryHeads, List<Norm.Layer> keyHeads)
            implements QueryKeyNorm {

        public LayerPerHead {
            queryHeads = List.copyOf(queryHeads);
            keyHeads = List.copyOf(keyHeads);
        }

        @Override
        public void apply(Tensor queries, Tensor keys, ActivationBuffers activations) {
            apply(queryHeads, queries);
            apply(keyHeads, keys);
        }

        private static void apply(List<Norm.Layer> norms, Tensor heads) {
            for (int head = 0; head < norms.size(); head++) {
                int size = norms.get(head).weight().columns();
                Tensor own = heads.columns(head * size, (head + 1) * size);
                norms.get(head).apply(own, own);
            }
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

    /// Loads norms of single heads of q and k, of a layer with heads of its own, and norms of the
    /// heads of v without weights.
    ///
    /// @param attention the prefix of `q_norm` and `k_norm`
    static OfValuesToo ofValuesToo(Weights weights, String attention, AttentionConfig heads) {
        int size = heads.headDim();
        return new OfValuesToo(
                new PerHead(
                        weights.kernels(),
                        weights.vector(attention + ".q_norm.weight", size),
                        weights.vector(attention + ".k_norm.weight", size),
                        (float) weights.config().normEpsilon()),
                weights.ones(size));
    }

    /// Returns norms of single heads that have no weights.
    static PerHead unit(Weights weights) {
        Tensor factors = weights.ones(weights.config().attention().headDim());
        float epsilon = (float) weights.config().normEpsilon();
        return new PerHead(weights.kernels(), factors, factors, epsilon);
    }

    /// Loads LayerNorms of single heads, whose rows are in the order of those of q and k.
    ///
    /// @param attention the prefix of `q_norm` and `k_norm`, matrices of a row for each head
    /// @param order of the rows of a head
    static LayerPerHead layerPerHead(Weights weights, String attention, RowOrder order) {
        AttentionConfig config = weights.config().attention();
        Shard shard = weights.shard();
        return new LayerPerHead(
                layers(
                        weights,
                        attention + ".q_norm",
                        config.headCount(),
                        shard.queryHeads(),
                        order),
                layers(
                        weights,
                        attention + ".k_norm",
                        config.kvHeadCount(),
                        shard.kvHeads(),
                        order));
    }

    /// Loads LayerNorms of single heads, `q_layernorm.norms.5` and `k_layernorm.norms.5`.
    ///
    /// @param attention the prefix of both
    static LayerPerHead layerOfEachHead(Weights weights, String attention) {
        Shard shard = weights.shard();
        return new LayerPerHead(
                layers(weights, attention + ".q_layernorm.norms.", shard.queryHeads()),
                layers(weights, attention + ".k_layernorm.norms.", shard.kvHeads()));
    }

    private static List<Norm.Layer> layers(Weights weights, String prefix, Span own) {
        int size = weights.config().attention().headDim();
        Tensor noBias = weights.zeros(size);
        List<Norm.Layer> norms = new ArrayList<>();
        for (int head = own.from(); head < own.to(); head++) {
            Tensor factors = weights.vector("%s%d.weight".formatted(prefix, head), size);
            norms.add(Norm.layer(weights, factors, noBias));
        }
        return norms;
    }

    private static List<Norm.Layer> layers(
            Weights weights, String name, int heads, Span own, RowOrder order) {
        int size = weights.config().attention().headDim();
        WeightMatrix stored =
                weights.matrix(name + ".weight", heads, size).reshaped(heads * size, 1);
        Tensor noBias = weights.zeros(size);
        List<Norm.Layer> norms = new ArrayList<>();
        for (int head = own.from(); head < own.to(); head++) {
            float[] values = stored.floats(head * size, size);
            float[] ordered = new float[size];
            for (int i = 0; i < size; i++) {
                ordered[i] = values[order.storedRow(i)];
            }
            norms.add(Norm.layer(weights, weights.vector(ordered), noBias));
        }
        return norms;
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

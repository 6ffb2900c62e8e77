// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.List;
import java.util.Optional;

/// Attention of a layer that has queries alone and attends to the keys and values of an earlier
/// layer (Brandon et al. 2024), cut by heads:
///
/// ```
/// out = output(softmax(scale · rotary(norm(query(x))) · kᵀ) · v)
/// ```
///
/// @param kvLayer the number of the earlier layer in the KV group
/// @param columns of a row of queries, keys and values, of which the latter stay unused
/// @param kvScales of the earlier layer
/// @param norm of each head of q, `[1, head size]`
public record QueryAttention(
        int kvGroup,
        int kvLayer,
        int columns,
        Optional<KvScales> kvScales,
        Kernels kernels,
        Linear.ColumnParallel query,
        Tensor norm,
        float epsilon,
        RotaryTable rotary,
        Linear.RowParallel output)
        implements ResidualBranch.Sublayer {

    /// Loads `q_proj`, `q_norm` and `o_proj` of a layer that the configuration names as a reader.
    public static QueryAttention load(Weights weights, int layer, String attention) {
        ModelConfig config = weights.config();
        int number = config.pagedGroup(layer);
        KvGroup group = config.pagedGroups().get(number);
        AttentionConfig heads = config.attention(layer);
        int size = heads.headDim();
        int kept = group.keptLayer(layer);
        Span own = weights.shard().queryHeads().times(size);
        return new QueryAttention(
                number,
                kept,
                own.size() + 2 * weights.shard().kvHeads(heads).size() * size,
                weights.kvScales(group.layers().get(kept)),
                weights.kernels(),
                Linear.ColumnParallel.load(
                        weights,
                        weights.linear(
                                        attention + ".q_proj",
                                        heads.queryWidth(),
                                        config.hiddenSize())
                                .cut(own)),
                weights.vector(attention + ".q_norm.weight", size),
                (float) config.normEpsilon(),
                weights.rotaryTable(config.rope(layer)),
                SelfAttention.output(weights, heads, attention + ".o_proj"));
    }

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        Tensor heads = activations.qkv(step.tokens()).columns(0, columns);
        Tensor queries = heads.columns(0, query.weight().rows());
        Tensor attended = activations.attended(step.tokens()).columns(0, queries.columns());
        query.forward(step.x(), queries);
        kernels.rmsNormHeads(queries, norm, epsilon);
        Tensor positions = step.batch().positions();
        List<PagedAttention.Rows> all = step.attention().get(kvGroup);
        for (PagedAttention.Rows rows : all) {
            rows.rotateQueries(heads, rotary, positions);
            rows.attend(kvLayer, heads, kvScales, Optional.empty(), attended);
        }
        return output.forward(attended, activations);
    }

    @Override
    public Optional<Tensor> bias() {
        return output.bias();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.LatentConfig;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.LatentExpansion;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Multi-head latent attention (DeepSeek-AI 2024), cut by heads. All heads and all ranks share what
/// the cache has of a token: the rotated part of the key, then the latent c. It is stored once, as
/// a key whose latent part is the value. Keys and values of a head are `Wk · c` and `Wv · c`; these
/// matrices are absorbed by the query and by the output:
///
/// ```
/// c, r    = norm(Wc · x), rotary(Wr · x)
/// q, p    = Wq · norm(Wa · x)                        of each head; or Wq · x
/// latent  = softmax(scale · [rotary(p), Wkᵀ · q] · [r, c]ᵀ) · c
/// out     = Wo · (Wv · latent)
/// ```
///
/// Expanded rows, most of a prompt ([dev.lockstep.model.LatentExpansion]), multiply the latents
/// that are stored instead, once for all tokens of the row, and attend to keys and values of each
/// head:
///
/// ```
/// out     = Wo · softmax(scale · [q, rotary(p)] · [Wk · c, r]ᵀ) · (Wv · c)
/// ```
///
/// A cache of FP8 has no scales here: checkpoints have those of expanded keys and values, which it
/// does not hold.
///
/// @param heads of this rank
/// @param queryLatent the projection to the latent of queries and its norm, where there is one
/// @param query rows of this rank's heads: q, then p
/// @param queryScale a factor of the queries by their position
/// @param key rows of r, then of c; whole on every rank
/// @param absorbed for each head `Wkᵀ`, `[rank, plain dimensions]`
/// @param values for each head `Wv`, `[value dimensions, rank]`
/// @param expansion for each group of heads, of each head `Wk`, then `Wv`; none on a device that
///   does not expand
public record LatentAttention(
        int kvGroup,
        int kvLayer,
        Kernels kernels,
        LatentConfig config,
        int heads,
        Optional<QueryLatent> queryLatent,
        Linear.ColumnParallel query,
        Optional<QueryScale> queryScale,
        Linear.ColumnParallel key,
        Norm.Rms keyNorm,
        List<PackedWeight> absorbed,
        List<PackedWeight> values,
        List<PackedWeight> expansion,
        RotaryTable rotary,
        Linear.RowParallel output)
        implements ResidualBranch.Sublayer {

    /// DeepSeek's norms of latent vectors have this epsilon, whatever the configuration says.
    private static final float EPSILON = 1e-6f;

    /// The latent of queries, whole on every rank.
    public record QueryLatent(Linear.ColumnParallel down, Norm.Rms norm) {}

    @Override
    public Tensor forward(ForwardStep step) {
        ActivationBuffers activations = step.activations();
        int size = config.cachedDim();
        Tensor all = activations.qkv(step.tokens());
        Tensor rows = all.columns(0, (heads + 1) * size);
        Tensor attended = activations.attended(step.tokens());
        Tensor queries = queries(step, all, attended);
        queryScale.ifPresent(each -> each.apply(queries, step.batch().positions()));
        copyRotated(queries, rows);
        List<PagedAttention.Rows> attention = step.attention().get(kvGroup);
        for (PagedAttention.Rows each : attention) {
            absorbQueries(
                    queries.rows(each.expandedEnd(), each.end()),
                    rows.rows(each.expandedEnd(), each.end()));
        }
        writeKey(step, rows.columns(heads * size, rows.columns()));
        for (PagedAttention.Rows each : attention) {
            each.store(kvLayer, rows, rotary, step.batch().positions(), Optional.empty());
            attend(each, queries, rows, attended);
        }
        return output.forward(rows.columns(0, heads * config.valueDim()), activations);
    }

    /// Attends to what is stored: afterwards `rows` begin with each head's value.
    private void attend(PagedAttention.Rows some, Tensor queries, Tensor rows, Tensor attended) {
        int first = some.firstToken();
        int expandedEnd = some.expandedEnd();
        if (expandedEnd > first && heads > 0) {
            takeRotated(queries.rows(first, expandedEnd), rows.rows(first, expandedEnd));
            some.attendExpanded(
                    kvLayer, queries, expansion, rows.columns(0, heads * config.valueDim()));
        }
        if (some.end() > expandedEnd) {
            some.attend(kvLayer, rows, Optional.empty(), Optional.empty(), attended);
            valuesOf(attended.rows(expandedEnd, some.end()), rows.rows(expandedEnd, some.end()));
        }
    }

    @Override
    public Optional<Tensor> bias() {
        return output.bias();
    }

    /// Returns the queries of all heads, in the memory of attention's output.
    private Tensor queries(ForwardStep step, Tensor scratch, Tensor attended) {
        Tensor queries = attended.columns(0, heads * config.queryDim());
        if (queryLatent.isEmpty()) {
            query.forward(step.x(), queries);
            return queries;
        }
        Tensor latent = scratch.columns(0, config.queryRank());
        queryLatent.get().down().forward(step.x(), latent);
        queryLatent.get().norm().apply(latent, latent);
        query.forward(latent, queries);
        return queries;
    }

    private void copyRotated(Tensor queries, Tensor rows) {
        for (int head = 0; head < heads; head++) {
            kernels.copy(rotatedOfQuery(queries, head), rotatedOfRow(rows, head));
        }
    }

    /// Takes the rotated dimensions back, for queries that are not absorbed.
    private void takeRotated(Tensor queries, Tensor rows) {
        for (int head = 0; head < heads; head++) {
            kernels.copy(rotatedOfRow(rows, head), rotatedOfQuery(queries, head));
        }
    }

    private Tensor rotatedOfQuery(Tensor queries, int head) {
        int end = (head + 1) * config.queryDim();
        return queries.columns(end - config.rotaryDim(), end);
    }

    private Tensor rotatedOfRow(Tensor rows, int head) {
        int from = head * config.cachedDim();
        return rows.columns(from, from + config.rotaryDim());
    }

    private void absorbQueries(Tensor queries, Tensor rows) {
        int size = config.cachedDim();
        for (int head = 0; head < heads; head++) {
            int from = head * config.queryDim();
            kernels.matmul(
                    queries.columns(from, from + config.plainDim()),
                    absorbed.get(head),
                    rows.columns(head * size + config.rotaryDim(), (head + 1) * size));
        }
    }

    /// Writes what the cache keeps of each token.
    private void writeKey(ForwardStep step, Tensor own) {
        key.forward(step.x(), own);
        Tensor latent = own.columns(config.rotaryDim(), config.cachedDim());
        keyNorm.apply(latent, latent);
    }

    /// Computes each head's value, in the memory of the queries.
    private void valuesOf(Tensor attended, Tensor rows) {
        int size = config.cachedDim();
        int width = config.valueDim();
        for (int head = 0; head < heads; head++) {
            kernels.matmul(
                    attended.columns(head * size + config.rotaryDim(), (head + 1) * size),
                    values.get(head),
                    rows.columns(head * width, (head + 1) * width));
        }
    }

    /// Loads `q_a_proj`, `q_a_layernorm` and `q_b_proj`, or `q_proj`; `kv_a_proj_with_mqa`,
    /// `kv_a_layernorm`, `kv_b_proj` and `o_proj`. GGUF files have `k_b_proj`, with `Wkᵀ` of each
    /// head, and `v_b_proj` in place of `kv_b_proj`.
    public static LatentAttention load(Weights weights, int layer, String attention) {
        LatentConfig config = weights.config().attention().latent().orElseThrow();
        Span heads = weights.shard().queryHeads();
        List<PackedWeight> absorbed = new ArrayList<>();
        List<PackedWeight> values = new ArrayList<>();
        for (int head : heads.numbers()) {
            absorbed.add(absorbed(weights, attention, head));
            values.add(values(weights, attention, head));
        }
        int group = weights.keepingGroup(layer);
        return new LatentAttention(
                group,
                weights.config().pagedGroups().get(group).layers().indexOf(layer),
                weights.kernels(),
                config,
                heads.size(),
                queryLatent(weights, attention),
                query(weights, attention),
                Optional.empty(),
                key(weights, attention + ".kv_a_proj_with_mqa"),
                norm(weights, attention + ".kv_a_layernorm", config.rank()),
                absorbed,
                values,
                expansion(weights, attention),
                weights.rotaryTable(weights.config().rope(layer)),
                output(weights, attention + ".o_proj"));
    }

    /// Returns this layer with a factor of the queries by their position.
    public LatentAttention with(QueryScale added) {
        return new LatentAttention(
                kvGroup,
                kvLayer,
                kernels,
                config,
                heads,
                queryLatent,
                query,
                Optional.of(added),
                key,
                keyNorm,
                absorbed,
                values,
                expansion,
                rotary,
                output);
    }

    private static Optional<QueryLatent> queryLatent(Weights weights, String attention) {
        int rank = config(weights).queryRank();
        if (rank == 0) {
            return Optional.empty();
        }
        OutputRows rows =
                weights.linear(attention + ".q_a_proj", rank, weights.config().hiddenSize());
        return Optional.of(
                new QueryLatent(
                        Linear.ColumnParallel.load(weights, rows),
                        norm(weights, attention + ".q_a_layernorm", rank)));
    }

    private static Linear.ColumnParallel query(Weights weights, String attention) {
        LatentConfig config = config(weights);
        boolean direct = config.queryRank() == 0;
        int width = weights.config().attention().headCount() * config.queryDim();
        OutputRows rows =
                weights.linear(
                        attention + (direct ? ".q_proj" : ".q_b_proj"),
                        width,
                        direct ? weights.config().hiddenSize() : config.queryRank());
        OutputRows ordered =
                config.pairs() ? rows.inPairs(config.queryDim(), config.plainDim()) : rows;
        Span own = weights.shard().queryHeads().times(config.queryDim());
        return Linear.ColumnParallel.load(weights, ordered.cut(own));
    }

    private static Linear.ColumnParallel key(Weights weights, String name) {
        LatentConfig config = config(weights);
        int rank = config.rank();
        OutputRows rows = weights.linear(name, config.cachedDim(), weights.config().hiddenSize());
        OutputRows ordered = config.pairs() ? rows.inPairs(config.cachedDim(), rank) : rows;
        return Linear.ColumnParallel.load(
                weights,
                ordered.cut(new Span(rank, config.cachedDim())),
                ordered.cut(new Span(0, rank)));
    }

    /// Packs `Wk` and `Wv` of each group of heads.
    private static List<PackedWeight> expansion(Weights weights, String attention) {
        if (!weights.expandsLatents()) {
            return List.of();
        }
        ExpandedHeads heads = LatentExpansion.heads(weights.config(), weights.shard(), 1);
        int first = weights.shard().queryHeads().from();
        List<PackedWeight> packed = new ArrayList<>();
        for (int group = 0; group < heads.groups(); group++) {
            int from = first + group * heads.group();
            packed.add(expansion(weights, attention, new Span(from, from + heads.group())));
        }
        return packed;
    }

    private static PackedWeight expansion(Weights weights, String attention, Span heads) {
        LatentConfig config = config(weights);
        int all = weights.config().attention().headCount();
        String transposed = attention + ".k_b_proj.weight";
        if (!weights.has(transposed)) {
            return weights.packRows(
                    OutputRows.of(
                                    weights.matrix(
                                            attention + ".kv_b_proj.weight",
                                            all * keyAndValue(config),
                                            config.rank()))
                            .cut(heads.times(keyAndValue(config))));
        }
        try (Arena decoded = Arena.ofShared()) {
            List<OutputRows> rows = new ArrayList<>();
            for (int head : heads.numbers()) {
                rows.add(
                        weights.transposed(
                                weights.part(
                                        transposed, all, head, config.rank(), config.plainDim()),
                                decoded));
                rows.add(valueRows(weights, attention, head));
            }
            return weights.packRows(rows.toArray(OutputRows[]::new));
        }
    }

    private static PackedWeight absorbed(Weights weights, String attention, int head) {
        LatentConfig config = config(weights);
        int heads = weights.config().attention().headCount();
        String transposed = attention + ".k_b_proj.weight";
        if (weights.has(transposed)) {
            return weights.packRows(
                    OutputRows.of(
                            weights.part(
                                    transposed, heads, head, config.rank(), config.plainDim())));
        }
        String name = attention + ".kv_b_proj.weight";
        int rows = heads * keyAndValue(config);
        int from = head * keyAndValue(config);
        var own = new Span(from, from + config.plainDim());
        return weights.packTransposedRows(name, rows, config.rank(), own);
    }

    private static PackedWeight values(Weights weights, String attention, int head) {
        return weights.packRows(valueRows(weights, attention, head));
    }

    private static OutputRows valueRows(Weights weights, String attention, int head) {
        LatentConfig config = config(weights);
        int heads = weights.config().attention().headCount();
        String alone = attention + ".v_b_proj.weight";
        if (weights.has(alone)) {
            return OutputRows.of(
                    weights.part(alone, heads, head, config.valueDim(), config.rank()));
        }
        String name = attention + ".kv_b_proj.weight";
        int rows = heads * keyAndValue(config);
        int from = head * keyAndValue(config) + config.plainDim();
        var own = new Span(from, from + config.valueDim());
        return OutputRows.of(weights.matrix(name, rows, config.rank())).cut(own);
    }

    private static int keyAndValue(LatentConfig config) {
        return config.plainDim() + config.valueDim();
    }

    private static Linear.RowParallel output(Weights weights, String name) {
        int width = config(weights).valueDim();
        int all = weights.config().attention().headCount() * width;
        return Linear.RowParallel.load(
                weights,
                weights.linear(name, weights.config().hiddenSize(), all),
                weights.shard().queryHeads().times(width));
    }

    private static Norm.Rms norm(Weights weights, String name, int size) {
        return new Norm.Rms(weights.kernels(), weights.vector(name + ".weight", size), EPSILON);
    }

    private static LatentConfig config(Weights weights) {
        return weights.config().attention().latent().orElseThrow();
    }
}

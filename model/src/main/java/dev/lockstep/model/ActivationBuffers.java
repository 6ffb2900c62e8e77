// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.AltUpConfig;
import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.ExpertConfig;
import dev.lockstep.checkpoint.LatentConfig;
import dev.lockstep.checkpoint.LayerInputConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.Communicator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// The tensors that a step computes in, allocated once for the largest step; closed by the worker
/// that created it.
///
/// They live as long as a group's epoch, with its communicator: tensors that are summed or gathered
/// over the ranks are in the communicator's memory. H is the hidden size, T the tokens, N the logit
/// rows, I the feed-forward columns; all shard sizes are this rank's. [#squareSums] shares memory
/// with [#partial], and a single rank's [#shardLogits] are its [#logits].
///
/// Not thread-safe: used by the step thread only.
public final class ActivationBuffers implements AutoCloseable {
    private static final int ALIGNMENT = 64;

    private final Communicator communicator;
    private final int maxLogitRows;
    private final Owned owned = new Owned();
    private final DeviceBuffer local;
    private final Views residual;
    private final Views hidden;
    private final Views qkv;
    private final Views attended;
    private final Views gateUp;
    private final Views feedForward;
    private final Views routerLogits;
    private final Tensor expertInput;
    private final Views expertOutput;
    private final Views mixer;
    private final Views stateGates;
    private final Tensor states;
    private final Views expertLatents;
    private final Views residuals;
    private final Views layerInputs;
    private final Views layerProjections;
    private final Views logitInput;
    private final Views logits;
    private final Views partial;
    private final Views shardLogits;
    private final List<PagedKv> stepKv = new ArrayList<>();
    private long offset;

    /// @param logitRows the most rows whose logits are computed at once, if the model has a head
    /// @param maxSequences the most that run at once
    public ActivationBuffers(
            Model model,
            Kernels kernels,
            Communicator communicator,
            int maxTokens,
            int logitRows,
            int maxSequences) {
        ModelConfig config = model.config();
        Shard shard = model.shard();
        this.communicator = communicator;
        this.maxLogitRows = model.hasOutputHead() ? logitRows : 0;
        Sizes sizes = Sizes.of(config, shard);
        DType type = kernels.activationType();
        long bytes = localBytes(config, shard, type, maxTokens, maxLogitRows, maxSequences);
        this.local = owned.add(kernels.allocate(bytes), DeviceBuffer::close);
        this.residual = new Views(take(type, maxTokens, sizes.hidden));
        this.hidden = new Views(take(type, maxTokens, sizes.hidden));
        this.qkv = new Views(take(type, maxTokens, sizes.qkv));
        this.attended = new Views(take(type, maxTokens, sizes.attended));
        int rows = sizes.feedForwardRows(maxTokens);
        this.gateUp = new Views(take(type, rows, sizes.gateUp));
        this.feedForward = new Views(take(type, rows, sizes.feedForward));
        this.routerLogits = new Views(take(DType.F32, maxTokens, sizes.experts));
        this.expertInput = take(type, rows, sizes.expertHidden);
        this.expertOutput = new Views(take(type, rows, sizes.expertHidden));
        this.mixer = new Views(take(type, maxTokens, sizes.mixer));
        this.stateGates = new Views(take(DType.F32, maxTokens, sizes.stateGates));
        this.states = take(DType.F32, stateLines(maxSequences), sizes.state);
        this.expertLatents = new Views(take(type, maxTokens, sizes.expertLatents));
        this.residuals = new Views(take(type, maxTokens, sizes.residuals));
        this.layerInputs = new Views(take(type, maxTokens, sizes.layerInputs));
        this.layerProjections = new Views(take(type, maxTokens, sizes.layerInputs));
        this.logitInput = new Views(take(type, maxLogitRows, sizes.hidden));
        this.logits = new Views(take(DType.F32, maxLogitRows, gatheredLogits(config, shard)));
        try {
            this.partial =
                    new Views(
                            communicator
                                    .allocate((long) maxTokens * sizes.hidden * type.bytes())
                                    .tensor(0, type, maxTokens, sizes.hidden));
            this.shardLogits =
                    shard.size() == 1 ? logits : new Views(allocateShardLogits(config, shard));
            Map<KvLayout, PagedKv> pools = new HashMap<>();
            for (KvLayout layout : model.kvLayouts()) {
                KvLayout one = layout.ofOneLayer();
                int blocks = stepKvBlocks(maxTokens, maxSequences, one.blockSize());
                if (readsEarlierKv(config)) {
                    pools.clear();
                }
                stepKv.add(
                        pools.computeIfAbsent(
                                one,
                                each ->
                                        owned.add(
                                                kernels.allocateKv(each, blocks), PagedKv::close)));
            }
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        }
    }

    /// Returns the number of blocks that a step needs if no row keeps keys and values, the null
    /// block included.
    public static int stepKvBlocks(int maxTokens, int maxRows, int blockSize) {
        return 1 + Math.ceilDiv(maxTokens, blockSize) + Math.min(maxRows, maxTokens);
    }

    /// Returns whether layers read what an earlier layer of their group kept: then no other group
    /// may overwrite it.
    private static boolean readsEarlierKv(ModelConfig config) {
        return config.pagedGroups().stream().anyMatch(group -> !group.readers().isEmpty());
    }

    /// Returns the bytes of [#stepKv]: KV groups with the same heads share one, unless layers read
    /// keys and values of earlier ones.
    public static long stepKvBytes(
            ModelConfig config,
            Shard shard,
            DType kvType,
            int blockSize,
            int maxTokens,
            int maxRows) {
        List<KvLayout> layouts =
                heads(config).stream()
                        .map(each -> shard.kvLayout(each, 1, kvType, blockSize))
                        .toList();
        long bytesPerBlock =
                (readsEarlierKv(config) ? layouts.stream() : layouts.stream().distinct())
                        .mapToLong(KvLayout::bytesPerBlock)
                        .sum();
        return bytesPerBlock * stepKvBlocks(maxTokens, maxRows, blockSize);
    }

    /// Returns the heads of each KV group.
    private static List<AttentionConfig> heads(ModelConfig config) {
        return config.pagedGroups().stream().map(config.attention()::of).toList();
    }

    /// Returns the bytes of this rank's tensors outside the communicator's memory, for the memory
    /// plan before anything is loaded.
    public static long localBytes(
            ModelConfig config,
            Shard shard,
            DType type,
            int maxTokens,
            int maxLogitRows,
            int maxSequences) {
        Sizes sizes = Sizes.of(config, shard);
        int[] tokenColumns = {
            sizes.hidden,
            sizes.hidden,
            sizes.qkv,
            sizes.attended,
            sizes.mixer,
            sizes.expertLatents,
            sizes.residuals,
            sizes.layerInputs,
            sizes.layerInputs
        };
        int[] feedForwardColumns = {
            sizes.gateUp, sizes.feedForward, sizes.expertHidden, sizes.expertHidden
        };
        long bytes = aligned((long) maxTokens * sizes.experts * DType.F32.bytes());
        bytes += aligned((long) maxTokens * sizes.stateGates * DType.F32.bytes());
        bytes += aligned((long) stateLines(maxSequences) * sizes.state * DType.F32.bytes());
        for (int columns : tokenColumns) {
            bytes += aligned((long) maxTokens * columns * type.bytes());
        }
        for (int columns : feedForwardColumns) {
            bytes += aligned((long) sizes.feedForwardRows(maxTokens) * columns * type.bytes());
        }
        bytes += aligned((long) maxLogitRows * sizes.hidden * type.bytes());
        bytes += aligned((long) maxLogitRows * gatheredLogits(config, shard) * DType.F32.bytes());
        return bytes;
    }

    /// Returns the bytes that a rank of this model allocates from the communicator.
    public static long collectiveBytes(Model model, DType type, int maxTokens, int logitRows) {
        return collectiveBytes(
                model.config(),
                model.shard().size(),
                type,
                maxTokens,
                model.hasOutputHead() ? logitRows : 0);
    }

    /// Returns the bytes that a rank allocates from the communicator; equal on all ranks.
    public static long collectiveBytes(
            ModelConfig config, int size, DType type, int maxTokens, int maxLogitRows) {
        return aligned((long) maxTokens * config.hiddenSize() * type.bytes())
                + aligned((long) maxLogitRows * widestShard(config, size) * DType.F32.bytes());
    }

    private Tensor allocateShardLogits(ModelConfig config, Shard shard) {
        long bytes = (long) maxLogitRows * widestShard(config, shard.size()) * DType.F32.bytes();
        return communicator
                .allocate(bytes)
                .tensor(0, DType.F32, maxLogitRows, shard.vocabulary().size());
    }

    /// Returns the columns of a rank's [#logits].
    private static int gatheredLogits(ModelConfig config, Shard shard) {
        return shard.rank() == 0 ? config.vocabularySize() : 0;
    }

    /// Returns the logits of the widest shard of any rank, so that every rank allocates the same; 0
    /// for a single rank, which gathers nothing.
    private static int widestShard(ModelConfig config, int size) {
        if (size == 1) {
            return 0;
        }
        return Shard.cut(config, size).stream()
                .mapToInt(each -> each.vocabulary().size())
                .max()
                .orElseThrow();
    }

    /// Returns the communicator with which the layers sum and gather.
    public Communicator communicator() {
        return communicator;
    }

    /// Returns the most rows whose logits are computed at once; 0 for a model without a head.
    public int maxLogitRows() {
        return maxLogitRows;
    }

    /// Returns the residual, `[T, H]`.
    public Tensor residual(int tokens) {
        return residual.rows(tokens);
    }

    /// Returns the normed input of the next branch, `[T, H]`.
    public Tensor hidden(int tokens) {
        return hidden.rows(tokens);
    }

    /// Returns queries, keys and values, `[T, q + k + v columns]`.
    public Tensor qkv(int tokens) {
        return qkv.rows(tokens);
    }

    /// Returns the output of attention, `[T, query heads · head size]`.
    public Tensor attended(int tokens) {
        return attended.rows(tokens);
    }

    /// Returns gate and up, `[T, 2I]`.
    ///
    /// @param columns I of the layer: layers with and without experts have different feed-forwards
    public Tensor gateUp(int tokens, int columns) {
        return gateUp.part(tokens, 2 * columns);
    }

    /// Returns the input of the last feed-forward matrix, `[T, I]`.
    public Tensor feedForward(int tokens, int columns) {
        return feedForward.part(tokens, columns);
    }

    /// Returns the sum of some experts while others are computed, `[T, H]` in the memory of
    /// [#expertScratch].
    public Tensor expertOutput(int tokens) {
        return expertOutput.rows(tokens);
    }

    /// Returns this rank's partial sum, `[T, H]` in the communicator's memory.
    public Tensor partial(int tokens) {
        return partial.rows(tokens);
    }

    /// Returns sums of squares over q and k, `[T, 2]` F32 in the memory of [#partial], which must
    /// not be in use.
    public Tensor squareSums(int tokens) {
        return squareSums(tokens, 2);
    }

    /// Returns as many sums of squares for each token, `[T, count]` F32 in the memory of
    /// [#partial], which must not be in use.
    public Tensor squareSums(int tokens, int count) {
        Tensor whole = partial.whole;
        if (count > whole.columns()) {
            throw new IllegalArgumentException(
                    "%d sums in the memory of %d columns".formatted(count, whole.columns()));
        }
        return new Tensor(whole.pointer(), DType.F32, tokens, count, count);
    }

    /// Returns the router's logits, `[T, experts]` F32; the coefficients of several residuals in
    /// models that have them; no columns in others.
    public Tensor routerLogits(int tokens) {
        return routerLogits.rows(tokens);
    }

    /// Returns the memory that experts are computed in, of the largest step's rows: with the memory
    /// of [#gateUp] and [#feedForward].
    ///
    /// @param columns I of an expert
    /// @param inputs of an expert: the hidden size, or that of a latent
    public ExpertScratch expertScratch(int columns, int inputs) {
        return new ExpertScratch(
                expertInput.columns(0, inputs),
                gateUp.whole.columns(0, 2 * columns),
                feedForward.whole.columns(0, columns),
                expertOutput.whole.columns(0, inputs));
    }

    /// Returns the inputs of experts of a latent, then their sums, `[T, 2 · latent]`; no columns
    /// without such experts.
    public Tensor expertLatents(int tokens) {
        return expertLatents.rows(tokens);
    }

    /// Returns the memory in which layers compute whose tokens need more columns than attention and
    /// feed-forward have: those that keep a state or several residuals, `[T, columns]`; no columns
    /// without such layers.
    public Tensor mixer(int tokens) {
        return mixer.rows(tokens);
    }

    /// Returns the gates over the states, `[T, 2 · value heads]` F32.
    public Tensor stateGates(int tokens) {
        return stateGates.rows(tokens);
    }

    /// Returns the states of sequences, F32: a line for each slot, and then as many for snapshots;
    /// no columns if no layer keeps one.
    public Tensor states() {
        return states;
    }

    /// Returns the lines of [#states].
    ///
    /// @param sequences the most that run at once
    public static int stateLines(int sequences) {
        return 2 * sequences;
    }

    /// Returns the residuals of a model with several, and as many that are predicted, side by side:
    /// `[T, 2 · count · H]`; no columns in other models.
    public Tensor residuals(int tokens) {
        return residuals.rows(tokens);
    }

    /// Returns what each layer has of the tokens' own embeddings, `[T, layers · size]`; no columns
    /// in models without them.
    public Tensor layerInputs(int tokens) {
        return layerInputs.rows(tokens);
    }

    /// Returns the memory in which [#layerInputs] are computed, of the same shape.
    public Tensor layerProjections(int tokens) {
        return layerProjections.rows(tokens);
    }

    /// Returns the rows whose logits are computed, `[N, H]`.
    public Tensor logitInput(int rows) {
        return logitInput.rows(rows);
    }

    /// Returns this rank's logits, `[N, vocabulary of this rank]`: in the communicator's memory if
    /// there are other ranks.
    public Tensor shardLogits(int rows) {
        return shardLogits.rows(rows);
    }

    /// Returns the logits, `[N, vocabulary]` on rank 0, `[N, 0]` on the others.
    public Tensor logits(int rows) {
        return logits.rows(rows);
    }

    /// Returns the blocks that hold one layer's keys and values of rows without KV while the layer
    /// runs.
    public PagedKv stepKv(int kvGroup) {
        return stepKv.get(kvGroup);
    }

    @Override
    public void close() {
        owned.close();
    }

    private Tensor take(DType type, int rows, int columns) {
        Tensor tensor = local.tensor(offset, type, rows, columns);
        offset += aligned((long) rows * columns * type.bytes());
        return tensor;
    }

    private static long aligned(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /// A tensor and its latest view: steps of equally many tokens make no new ones.
    private static final class Views {
        private final Tensor whole;
        private Tensor latest;

        Views(Tensor whole) {
            this.whole = whole;
            latest = whole;
        }

        /// Returns the first rows.
        Tensor rows(int rows) {
            return part(rows, whole.columns());
        }

        /// Returns the first columns of the first rows.
        Tensor part(int rows, int columns) {
            if (latest.rows() != rows || latest.columns() != columns) {
                latest = whole.rows(0, rows).columns(0, columns);
            }
            return latest;
        }
    }

    private record Sizes(
            int hidden,
            int qkv,
            int attended,
            int gateUp,
            int feedForward,
            int experts,
            int perToken,
            int expertHidden,
            int mixer,
            int stateGates,
            int state,
            int expertLatents,
            int residuals,
            int layerInputs) {
        static Sizes of(ModelConfig config, Shard shard) {
            int queries = shard.queryHeads().size();
            int attended = queries * config.attention().largestHead();
            int qkv =
                    heads(config).stream()
                            .map(each -> shard.kvLayout(each, 1, DType.F32, 1))
                            .mapToInt(
                                    each ->
                                            (queries + each.rowsPerToken() * each.kvHeads())
                                                    * each.headSize())
                            .max()
                            .orElse(0);
            Optional<ExpertConfig> experts = config.details().experts();
            Optional<LayerInputConfig> inputs = config.details().layerInputs();
            Optional<AltUpConfig> altUp = config.details().altUp();
            int several = altUp.map(AltUpConfig::count).orElse(0);
            int feedForward =
                    IntStream.of(
                                    altUp.map(AltUpConfig::laurelRank).orElse(0),
                                    shard.feedForward().size(),
                                    experts.map(each -> widest(each, shard)).orElse(0),
                                    inputs.map(each -> shard.columns(each.size()).size()).orElse(0),
                                    widest(config, shard))
                            .max()
                            .orElseThrow();
            Optional<StateShard> states = StateShard.of(config, shard);
            // Also for the gate of attention, and for what the state gives beside attention.
            int beside = config.parallelFactors().isPresent() ? config.hiddenSize() : 0;
            int mixer =
                    states.map(each -> Math.max(each.mixerColumns(), Math.max(attended, beside)))
                            .orElse(several == 0 ? 0 : config.hiddenSize());
            return new Sizes(
                    config.hiddenSize(),
                    Math.max(
                            qkv,
                            config.attention().latent().map(LatentConfig::queryRank).orElse(0)),
                    attended,
                    2 * feedForward,
                    feedForward,
                    experts.map(ExpertConfig::count).orElse(several + several * several),
                    experts.map(ExpertConfig::perToken).orElse(0),
                    experts.isPresent() ? config.hiddenSize() : 0,
                    mixer,
                    states.map(StateShard::gateColumns).orElse(0),
                    states.map(StateShard::floats).orElse(0),
                    2 * experts.map(ExpertConfig::latentSize).orElse(0),
                    2 * several * config.hiddenSize(),
                    inputs.map(each -> each.size() * config.layerCount()).orElse(0));
        }

        /// Returns the columns of the widest feed-forward of another size than most.
        private static int widest(ModelConfig config, Shard shard) {
            return config.details().feedForwardSizes().values().stream()
                    .mapToInt(each -> shard.columns(each).size())
                    .max()
                    .orElse(0);
        }

        /// Returns the most columns of a feed-forward that is not an expert chosen by a router.
        private static int widest(ExpertConfig experts, Shard shard) {
            return Math.max(
                    shard.columns(experts.sharedSize()).size(),
                    shard.columns(experts.dense().size()).size());
        }

        /// Returns the rows of a feed-forward, or of all experts of a token, which are more if a
        /// step may have very few tokens.
        int feedForwardRows(int maxTokens) {
            return Math.max(maxTokens, perToken);
        }
    }
}

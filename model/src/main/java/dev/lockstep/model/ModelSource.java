// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.RankReads;
import dev.lockstep.checkpoint.StateConfig;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// A checkpoint opened for loading: what a worker must know before it allocates memory. It needs no
/// closing.
public final class ModelSource {
    private final Checkpoint checkpoint;
    private final ModelLoader loader;
    private final Set<String> decodedInstead = ConcurrentHashMap.newKeySet();
    private final Map<Preparing, ShardWeights> weights = new ConcurrentHashMap<>();

    private ModelSource(ModelLoader loader) {
        this.checkpoint = loader.checkpoint();
        this.loader = loader;
    }

    /// Opens a folder or a `.gguf` file and refuses a model that no family runs; reads headers
    /// only.
    public static ModelSource open(Path path) {
        Checkpoint checkpoint = openFiles(path);
        ModelLoader loader = ModelLoader.open(checkpoint);
        checkpoint.requireSupportedTypes();
        checkpoint.sentenceModel();
        return new ModelSource(loader);
    }

    /// Opens the files of a model for a description; refuses an architecture that no family runs
    /// before files that are missing or damaged.
    public static Checkpoint openFiles(Path path) {
        return ModelLoader.openFiles(path);
    }

    /// Checks without the bytes of weights that `size` ranks can load the model; throws the refusal
    /// with which a rank would fail to load it.
    public ModelSource requireLoadable(int size) {
        Shard.cut(config(), size).forEach(shard -> weights(shard, false));
        return this;
    }

    /// Returns what each of `size` ranks reads of the model, without its bytes.
    public List<RankReads> reads(int size) {
        return Shard.cut(config(), size).stream().map(loader::reads).toList();
    }

    /// Returns for how many ranks the model was cut: see [Checkpoint#cutRanks].
    public OptionalInt cutRanks() {
        return checkpoint.cutRanks();
    }

    public ModelConfig config() {
        return checkpoint.config();
    }

    public String digest() {
        return checkpoint.digest();
    }

    /// Returns a digest of when the files of weights were written: see [Checkpoint#stamp].
    public String stamp() {
        return checkpoint.stamp();
    }

    /// Returns the model's tokenizer and chat template.
    public TokenizerSource tokenizer() {
        return checkpoint.tokenizer();
    }

    public String tokenizerDigest() {
        return checkpoint.tokenizerDigest();
    }

    public int contextLength() {
        return config().contextLength();
    }

    /// Returns the number of positions up to which the model can be served.
    public int maxContextLength() {
        return config().maxContextLength();
    }

    public int vocabularySize() {
        return config().vocabularySize();
    }

    public long parameterCount() {
        return checkpoint.parameterCount();
    }

    /// Returns whether the model computes logits, without which it serves embeddings alone.
    public boolean hasOutputHead() {
        return checkpoint.hasOutputHead();
    }

    /// Returns whether no family serves the architecture and the generic decoder runs it.
    public boolean isGeneric() {
        return loader.isGeneric();
    }

    /// Returns a line about the parts of the model that are not served, if it has other modalities
    /// than text.
    public Optional<String> otherModalities() {
        return checkpoint.otherModalities();
    }

    /// Returns a description for display: what a rank holds, and whether the generic decoder runs
    /// the model.
    public String describe(Model model) {
        String shard =
                model.shardDescription()
                        + checkpoint.decodedMatrices().map(each -> "; " + each).orElse("")
                        + (decodedInstead.isEmpty()
                                ? ""
                                : "; %d matrices decoded to a plain type, because their type cannot hold their scales or be cut there"
                                        .formatted(decodedInstead.size()));
        String named =
                isGeneric()
                        ? "%s as a generic decoder, %s".formatted(config().architecture(), shard)
                        : shard;
        return otherModalities().map(text -> "%s (%s)".formatted(named, text)).orElse(named);
    }

    public Shard shard(int rank, int size) {
        return Shard.cut(config(), size).get(rank);
    }

    /// Returns the types for `--dtype` and `--kv-dtype` on a device.
    public ComputeTypes computeTypes(
            String dtype, String kvDtype, DeviceCapabilities capabilities) {
        ComputeTypes types =
                ComputeTypes.resolve(config().weightType(), dtype, kvDtype, capabilities);
        types.requireHeads(config().attention().headDim());
        types.requireHeads(headSize());
        if (types.kv() == DType.FP8 && hasCacheScales()) {
            checkpoint.cacheScales().requireUsable(config());
        }
        if (headSize() > capabilities.maxHeadSize()) {
            throw new CheckpointException(
                    "%s: attention has heads of %d, at most %d are computed on a GPU: use --device cpu"
                            .formatted(checkpoint.path(), headSize(), capabilities.maxHeadSize()));
        }
        if (stateKey() > capabilities.maxStateKey()) {
            throw new CheckpointException(
                    "%s: states have keys of %d, at most %d are computed on a GPU: use --device cpu"
                            .formatted(checkpoint.path(), stateKey(), capabilities.maxStateKey()));
        }
        if (!capabilities.quantizesActivations()) {
            checkpoint
                    .cutInGroupOrder()
                    .ifPresent(
                            tensor -> {
                                throw new CheckpointException(
                                        "%s: tensor %s was cut with its columns in the order of their groups, which only a CPU multiplies: use --device cpu, or the original model"
                                                .formatted(checkpoint.path(), tensor));
                            });
        }
        return types;
    }

    /// Returns whether keys and values of FP8 are stored with scales of the checkpoint.
    public boolean hasCacheScales() {
        return config().attention().latent().isEmpty() && !checkpoint.cacheScales().isEmpty();
    }

    public Model load(Shard shard, Kernels kernels, LoadSettings settings) {
        return loader.load(shard, kernels, settings, storedWeightBytes(shard), decodedInstead);
    }

    /// Returns the bytes of a token in the KV cache of one rank, all KV groups together.
    public long kvBytesPerToken(Shard shard, DType kvType) {
        long bytes = 0;
        for (KvGroup group : config().pagedGroups()) {
            AttentionConfig heads = config().attention().of(group);
            bytes += shard.kvLayout(heads, group.layers().size(), kvType, 1).bytesPerToken();
        }
        return bytes;
    }

    /// Returns the size of the largest head.
    public int headSize() {
        return config().attention().largestHead();
    }

    /// Returns the size of a key of the states that layers keep; 0 without such keys.
    private int stateKey() {
        return config().stateGroup()
                .flatMap(KvGroup::state)
                .map(
                        state ->
                                switch (state) {
                                    case StateConfig.GatedDelta delta -> delta.keySize();
                                    case StateConfig.Mamba2 mamba -> mamba.stateSize();
                                    case StateConfig.ShortConvolution _ -> 0;
                                })
                .orElse(0);
    }

    /// Returns how many tokens and sequences KV memory holds.
    ///
    /// @param bytesPerToken of all ranks that share the memory
    public KvCapacity kvCapacity(int blockSize, long bytesPerToken) {
        List<KvCapacity.Extent> extents = new ArrayList<>();
        for (KvGroup group : config().pagedGroups()) {
            AttentionConfig heads = config().attention().of(group);
            extents.add(
                    new KvCapacity.Extent(
                            group.layers().size(), heads.kvHeadCount(), heads.headDim()));
        }
        return new KvCapacity(
                config().pagedGroups(),
                extents,
                blockSize,
                bytesPerToken,
                config().details().encoder().isEmpty());
    }

    /// Returns the bytes of a rank's activations, its share of the communicator's memory included.
    ///
    /// @param maxSequences of a step: each has logits if the model has a head
    public long activationBytes(
            Shard shard, ComputeTypes types, int blockSize, int maxTokens, int maxSequences) {
        DType type = types.activation();
        int logitRows = hasOutputHead() ? maxSequences : 0;
        return ActivationBuffers.localBytes(
                        config(), shard, type, maxTokens, logitRows, maxSequences)
                + ActivationBuffers.stepKvBytes(
                        config(), shard, types.kv(), blockSize, maxTokens, maxSequences)
                + ActivationBuffers.collectiveBytes(
                        config(), shard.size(), type, maxTokens, logitRows);
    }

    /// Returns the bytes of a rank's tables for each position that is served: those of ropes, and
    /// factors of queries.
    public long positionBytes(Shard shard) {
        return weights(shard, false).positionBytes();
    }

    /// Returns the length of the aligned spans of positions that are computed in another way where
    /// all of a span belongs to the prompt; 0 where all positions are computed alike.
    public int promptSpan(DeviceCapabilities capabilities) {
        boolean expands =
                config().attention().latent().isPresent() && capabilities.expandsLatents();
        return expands ? LatentExpansion.SPAN : 0;
    }

    /// Returns the bytes of a rank's scratch memory for each position of the longest sequence.
    public long scratchBytesPerPosition(Shard shard, DeviceCapabilities capabilities) {
        return promptSpan(capabilities) == 0
                ? 0
                : LatentExpansion.heads(config(), shard, 1).bytesPerPosition();
    }

    /// Returns the bytes of a rank's weights in the memory of these kernels, without those of
    /// [#positionBytes], counted without their bytes: of some quantized matrices a few scales and
    /// the order of columns are read.
    public long weightBytes(Shard shard, Kernels kernels, DType compute) {
        return weights(shard, kernels.capabilities())
                .bytes(
                        kernels.capabilities(),
                        each ->
                                kernels.packedBytes(
                                        each.type(),
                                        compute,
                                        each.rows(),
                                        each.columns(),
                                        each.skipped()));
    }

    /// Returns an estimate of [#weightBytes] without kernels: quantized weights that stay packed
    /// have the size of their blocks, others that of the compute type.
    public long expectedWeightBytes(
            Shard shard, ComputeTypes types, DeviceCapabilities capabilities) {
        return weights(shard, capabilities)
                .bytes(
                        capabilities,
                        each ->
                                capabilities.bytesPerWeight(each.type(), types.compute())
                                        * each.rows()
                                        * each.columns());
    }

    /// Returns the bytes of the matrices that a rank reads, in the types in which it packs them.
    public long storedWeightBytes(Shard shard) {
        return weights(shard, false)
                .matrixBytes(
                        each ->
                                (double) each.rows()
                                        * each.columns()
                                        / each.type().blockSize()
                                        * each.type().blockBytes());
    }

    private ShardWeights weights(Shard shard, DeviceCapabilities capabilities) {
        return weights(shard, capabilities.expandsLatents());
    }

    private ShardWeights weights(Shard shard, boolean expandsLatents) {
        return weights.computeIfAbsent(
                new Preparing(shard, expandsLatents),
                each -> loader.check(each.shard(), each.expandsLatents()));
    }

    /// What decides which weights a rank prepares.
    private record Preparing(Shard shard, boolean expandsLatents) {}
}

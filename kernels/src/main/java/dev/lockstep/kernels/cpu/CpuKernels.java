// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Device;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.ExpandedAttention;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertObserver;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.LinearAttentionHeads;
import dev.lockstep.kernels.Mark;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.StateGates;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import dev.lockstep.kernels.Xielu;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;

/// Kernels on CPU cores. An op has finished when its call returns, so every [#mark] is reached.
///
/// The code that opened it closes it, after every buffer allocated from it.
public final class CpuKernels implements Kernels {
    private static final Mark REACHED =
            new Mark() {
                @Override
                public boolean reached() {
                    return true;
                }

                @Override
                public void await() {}
            };

    private final InstructionSet set;
    private final Device device;
    private final ThreadTeam team;
    private final StepThreads stepThreads;
    private final CpuMemory memory = new CpuMemory();
    private final CpuOps ops;
    private final Optional<PackedCache> packed;
    private final Matmul matmul;
    private final RowKernels rows;
    private final ElementKernels elements;
    private final StateKernels states;
    private final ResidualKernels residuals;
    private final CpuExperts experts;
    private final Constants constants;
    private final List<CpuAttention> attentions = new ArrayList<>();
    private final List<CpuExpandedAttention> expandedAttentions = new ArrayList<>();
    private final boolean expandsLatents;
    private final LongSupplier freeBytes;
    private volatile long progress;

    private CpuKernels(
            InstructionSet set,
            CpuOps ops,
            ThreadTeam team,
            boolean expandsLatents,
            LongSupplier freeBytes,
            Optional<PackedOptions> keep) {
        this.set = set;
        this.expandsLatents = expandsLatents;
        this.freeBytes = freeBytes;
        this.ops = ops;
        this.team = team;
        stepThreads = new StepThreads(team.size());
        device = new Device(CpuFeatures.current().name(), set.key(), team.size());
        packed = keep.map(options -> new PackedCache(options, ops.matmul().layout(), memory, team));
        matmul = new Matmul(ops.matmul(), team, memory, packed);
        rows = new RowKernels(ops.rows(), team);
        elements = new ElementKernels(ops.elements(), team);
        states = new StateKernels(ops.states(), team);
        residuals = new ResidualKernels(team);
        experts = new CpuExperts(matmul, rows, elements, this::finished, memory);
        constants = new Constants(memory);
    }

    /// Opens kernels that take any amount of memory to be free.
    public static CpuKernels open(CpuOptions options) {
        return open(options, () -> Long.MAX_VALUE);
    }

    /// Starts the thread team; throws if a requested instruction set or CPU is not available.
    ///
    /// @param freeBytes the free memory of the host, asked each time
    public static CpuKernels open(CpuOptions options, LongSupplier freeBytes) {
        return open(options, freeBytes, Optional.empty());
    }

    /// Opens kernels that keep packed weights.
    ///
    /// @param keep where they are kept between starts; empty: nowhere
    public static CpuKernels open(
            CpuOptions options, LongSupplier freeBytes, Optional<PackedOptions> keep) {
        InstructionSet set = options.instructionSet().orElseGet(InstructionSet::best);
        set.require(CpuFeatures.current());
        return new CpuKernels(
                set,
                CpuOps.of(set),
                new ThreadTeam(options),
                options.expandsLatents(),
                freeBytes,
                keep);
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public DeviceCapabilities capabilities() {
        return set.capabilities().expandingLatents(expandsLatents);
    }

    @Override
    public DType activationType() {
        return DType.F32;
    }

    CpuMemory memory() {
        return memory;
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        return memory.buffer(bytes);
    }

    @Override
    public long allocatedBytes() {
        return memory.allocatedBytes() + packed.map(PackedCache::mappedBytes).orElse(0L);
    }

    /// Writes the packed weights to their file in the background, if the file has not all of them.
    /// Call it once everything is prepared and nothing waits for this rank any more.
    public void keepPacked() {
        packed.ifPresent(PackedCache::writeLater);
    }

    /// Waits until the file of [#keepPacked] is written, or is not.
    public void awaitPacked() throws InterruptedException {
        if (packed.isPresent()) {
            packed.get().awaitWritten();
        }
    }

    @Override
    public long freeBytes() {
        return freeBytes.getAsLong();
    }

    @Override
    public MemorySegment allocateHost(long bytes, Arena arena) {
        return arena.allocate(bytes, CpuMemory.ALIGNMENT);
    }

    @Override
    public void reserve(int maxTokens, int maxRows, int maxPositions) {
        int multiplied = expandedAttentions.isEmpty() ? 0 : CpuExpandedAttention.PIECE;
        List<ScratchNeed> needs =
                new ArrayList<>(
                        matmul.scratchNeeds(Math.max(Math.max(maxTokens, maxRows), multiplied)));
        needs.add(experts.scratchNeed(maxTokens));
        for (CpuAttention attention : attentions) {
            needs.addAll(attention.scratchNeeds(maxTokens, maxPositions));
        }
        for (CpuExpandedAttention attention : expandedAttentions) {
            needs.addAll(attention.scratchNeeds(maxTokens, maxPositions));
        }
        ScratchNeed.reserve(needs, freeBytes());
    }

    @Override
    public void attachThread() {}

    @Override
    public void copyToDevice(MemorySegment host, Tensor target) {
        HostCopy.toDevice(host, target);
    }

    @Override
    public void copyToHost(Tensor source, MemorySegment host) {
        HostCopy.toHost(source, host);
    }

    @Override
    public void copyToHostLater(Tensor source, MemorySegment host) {
        HostCopy.toHost(source, host);
    }

    @Override
    public Mark mark() {
        return REACHED;
    }

    @Override
    public Optional<Recording> record(Runnable ops) {
        return Optional.empty();
    }

    @Override
    public long progress() {
        return progress;
    }

    @Override
    public PackedWeight prepare(List<WeightRows> segments, DType compute) {
        return matmul.prepare(segments, compute);
    }

    @Override
    public long packedBytes(TensorType type, DType compute, int rows, int columns, int skipped) {
        return matmul.packedBytes(WeightFormat.of(type, compute), rows, columns, skipped);
    }

    @Override
    public EmbeddingTable prepareEmbedding(WeightRows table) {
        return CpuEmbedding.of(table);
    }

    @Override
    public ExpertSet prepareExperts(ExpertLayer layer) {
        return experts.prepare(layer);
    }

    @Override
    public Tensor prepareVector(float[] values) {
        return constants.vector(values);
    }

    @Override
    public RotaryTable prepareRotary(float[][] cos, float[][] sin) {
        return constants.rotary(cos, sin);
    }

    @Override
    public AttentionBackend attention(AttentionShape shape, KvLayout layout) {
        var backend =
                new CpuAttention(ops.attention(), team, this::finished, memory, shape, layout);
        attentions.add(backend);
        return backend;
    }

    @Override
    public Optional<ExpandedAttention> expandedAttention(ExpandedHeads heads, KvLayout layout) {
        if (!expandsLatents) {
            return Optional.empty();
        }
        var expanded =
                new CpuExpandedAttention(
                        ops.attention(), team, matmul, this::finished, memory, heads, layout);
        expandedAttentions.add(expanded);
        return Optional.of(expanded);
    }

    @Override
    public void stepBegins(int tokens) {
        team.adoptStepThread();
        team.use(stepThreads.begin(tokens, System.nanoTime()));
    }

    @Override
    public void stepEnds() {
        stepThreads.end(System.nanoTime());
        // What is no step of a group in service has all threads: warm-up, canary steps.
        team.use(team.size());
    }

    @Override
    public PagedKv allocateKv(KvLayout layout, int blocks) {
        return new CpuPagedKv(memory, layout, blocks);
    }

    @Override
    public Sampler sampler(int slots, int vocabularySize) {
        return new CpuSampler(ops.sampling(), team, this::finished, memory, slots, vocabularySize);
    }

    @Override
    public void embed(EmbeddingTable table, Tensor ids, Tensor out) {
        rows.embed(table, ids, out);
        finished();
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        rows.rmsNorm(x, weight, epsilon, out);
        finished();
    }

    @Override
    public void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        rows.addRmsNorm(x, residual, weight, epsilon, out);
        finished();
    }

    @Override
    public void matmul(Tensor x, PackedWeight weight, Tensor out) {
        matmul.run(x, weight, out);
        finished();
    }

    @Override
    public void rmsNormHeads(Tensor x, Tensor weight, float epsilon) {
        rows.rmsNormHeads(x, weight, epsilon);
        finished();
    }

    @Override
    public void squareSums(Tensor x, Tensor out) {
        rows.squareSums(x, out);
        finished();
    }

    @Override
    public void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon) {
        rows.normalizeBySums(x, sums, count, weight, epsilon);
        finished();
    }

    @Override
    public void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out) {
        rows.layerNorm(x, weight, bias, epsilon, out);
        finished();
    }

    @Override
    public void add(Tensor x, Tensor y) {
        elements.add(x, y);
        finished();
    }

    @Override
    public void addGated(Tensor x, Tensor y, Tensor logits) {
        elements.addGated(x, y, logits);
        finished();
    }

    @Override
    public void addOnHost(long x, long y, int count) {
        elements.addOnHost(x, y, count);
    }

    @Override
    public void copy(Tensor x, Tensor out) {
        elements.copy(x, out);
        finished();
    }

    @Override
    public void clear(Tensor x) {
        elements.clear(x);
        finished();
    }

    @Override
    public void scale(Tensor x, float factor) {
        elements.scale(x, factor);
        finished();
    }

    @Override
    public void scaleRows(Tensor x, Tensor factors, Tensor positions) {
        elements.scaleRows(x, factors, positions);
        finished();
    }

    @Override
    public void softCap(Tensor x, float cap) {
        elements.softCap(x, cap);
        finished();
    }

    @Override
    public void activate(Activation activation, Tensor x, Tensor out) {
        elements.activate(activation, x, out);
        finished();
    }

    @Override
    public void xielu(Xielu xielu, Tensor x) {
        elements.xielu(xielu, x);
        finished();
    }

    @Override
    public void activateMultiply(Activation activation, Tensor gateUp, Tensor out) {
        elements.activateMultiply(activation, gateUp, out);
        finished();
    }

    @Override
    public void experts(
            ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out) {
        experts.run(set, x, routerLogits, scratch, out);
    }

    @Override
    public void observeExperts(ExpertObserver observer) {
        experts.observe(observer);
    }

    @Override
    public void gatherRows(Tensor x, Tensor rows, Tensor out) {
        this.rows.gatherRows(x, rows, out);
        finished();
    }

    @Override
    public void scatter(Tensor indices, Tensor values, Tensor out) {
        rows.scatter(indices, values, out);
        finished();
    }

    @Override
    public void convolve(
            PagedBatch batch, Tensor states, Tensor weight, Optional<Tensor> bias, Tensor x) {
        this.states.convolve(batch, states, weight, bias, x);
        finished();
    }

    @Override
    public void decay(StateGates decay, Tensor gates) {
        states.decay(decay, gates);
        finished();
    }

    @Override
    public void linearAttention(
            PagedBatch batch,
            Tensor states,
            LinearAttentionHeads heads,
            Tensor qkv,
            Tensor gates,
            Optional<Tensor> skip,
            Tensor out) {
        this.states.attend(batch, states, heads, qkv, gates, skip, out);
        finished();
    }

    @Override
    public void multiply(Tensor x, Tensor y, boolean logistic) {
        states.multiply(x, y, logistic);
        finished();
    }

    @Override
    public void addScaledRows(Tensor x, Tensor y, Tensor factors) {
        residuals.addScaledRows(x, y, factors);
        finished();
    }

    @Override
    public void scaleColumns(Tensor x, Tensor factors) {
        residuals.scaleColumns(x, factors);
        finished();
    }

    @Override
    public void matchMagnitude(Tensor x, Tensor like, float least) {
        residuals.matchMagnitude(x, like, least);
        finished();
    }

    @Override
    public void moments(Tensor x, Tensor out) {
        residuals.moments(x, out);
        finished();
    }

    @Override
    public void keepAbove(Tensor x, Tensor moments, int count, float deviations) {
        residuals.keepAbove(x, moments, count, deviations);
        finished();
    }

    @Override
    public void copyBlocks(PagedKv kv, List<BlockCopy> copies) {
        if (!(kv instanceof CpuPagedKv cache)) {
            throw new IllegalArgumentException("the KV cache was allocated by other kernels");
        }
        copies.forEach(copy -> copy.require(kv));
        copies.forEach(cache::copy);
        finished();
    }

    @Override
    public void close() {
        packed.ifPresent(PackedCache::stopWriting);
        team.close();
        matmul.close();
        experts.close();
        attentions.forEach(CpuAttention::close);
        expandedAttentions.forEach(CpuExpandedAttention::close);
        // A step that still ran until the team was closed reads mapped weights.
        packed.ifPresent(PackedCache::close);
        memory.close();
    }

    // Only the step runner writes it, so no increment is lost.
    @SuppressWarnings("NonAtomicVolatileUpdate")
    private void finished() {
        progress++;
    }
}

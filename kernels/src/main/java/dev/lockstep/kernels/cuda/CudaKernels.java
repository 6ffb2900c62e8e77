// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Device;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.ExpandedAttention;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.ExpertLayer;
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
import java.util.Map;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Kernels on one GPU: ops are enqueued to one stream, from one thread at a time.
///
/// The code that opened it closes it, after every buffer, recording and cache allocated from it.
public final class CudaKernels implements Kernels {
    private static final Logger LOG = LogManager.getLogger(CudaKernels.class);

    private final Cuda cuda;
    private final CublasLt cublasLt;
    private final Device device;
    private final CudaContext context;
    private final CudaLoading loading;
    private final CudaMatmul matmul;
    private final CudaRows rows;
    private final CudaElements elements;
    private final CudaExperts experts;
    private final CudaStates states;
    private final CudaResiduals residuals;
    private final List<CudaAttention> attentions = new ArrayList<>();

    private CudaKernels(Cuda cuda, CudaOptions options) {
        this.cuda = cuda;
        Nvrtc nvrtc = Nvrtc.open(cuda.libraries());
        cublasLt = CublasLt.open(cuda);
        context =
                new CudaContext(cuda, options.compute(), nvrtc, options.cache().resolve("kernels"));
        loading = new CudaLoading(context);
        rows = new CudaRows(context);
        elements = new CudaElements(context);
        matmul = new CudaMatmul(context, cublasLt, elements, options.workspaceBytes());
        experts = new CudaExperts(context);
        states = new CudaStates(context);
        residuals = new CudaResiduals(context);
        CudaDevice gpu = cuda.device();
        device =
                new Device(
                        gpu.name(),
                        gpu.architecture(),
                        gpu.multiprocessors(),
                        gpu.uuid(),
                        Map.of(
                                "cuBLASLt",
                                Long.toString(cublasLt.version()),
                                "NVRTC",
                                nvrtc.version(),
                                "CUDA kernels",
                                KernelSources.digest()));
    }

    /// Opens a device and loads its kernels; attaches the calling thread. Throws
    /// [CudaUnavailableException] if something that CUDA needs is missing.
    public static CudaKernels open(CudaOptions options) {
        CudaDevice device = CudaProbe.run(options.search()).require(options.ordinal());
        CudaLibraries libraries =
                CudaLibraries.open(options.search(), options.cache(), options.nccl());
        Cuda cuda = Cuda.open(libraries, device);
        try {
            return new CudaKernels(cuda, options);
        } catch (RuntimeException failure) {
            // Releasing the context frees what was allocated in it.
            throw cuda.closedAfter(failure);
        }
    }

    /// Returns the driver's calls on this device, for the communicator.
    public Cuda cuda() {
        return cuda;
    }

    /// Returns the stream of all ops.
    public CudaStream stream() {
        return context.stream();
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public DeviceCapabilities capabilities() {
        return DeviceCapabilities.ofCuda(cuda.device().major(), cuda.device().minor());
    }

    @Override
    public DType activationType() {
        return context.activationType();
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        return context.memory().buffer(bytes);
    }

    @Override
    public long allocatedBytes() {
        return context.memory().allocatedBytes();
    }

    @Override
    public long freeBytes() {
        return context.memory().freeBytes();
    }

    @Override
    public MemorySegment allocateHost(long bytes, Arena arena) {
        return context.memory().pin(bytes, arena);
    }

    @Override
    public void reserve(int maxTokens, int maxRows, int maxPositions) {
        context.guard().refuse("a reservation of memory");
        List<ScratchNeed> needs = new ArrayList<>(experts.scratchNeeds(maxTokens));
        for (CudaAttention attention : attentions) {
            needs.addAll(attention.scratchNeeds(maxTokens, maxRows, maxPositions));
        }
        ScratchNeed.reserve(needs, freeBytes());
        matmul.reserve(Math.max(maxTokens, maxRows));
    }

    @Override
    public void attachThread() {
        cuda.attachThread();
    }

    @Override
    public void copyToDevice(MemorySegment host, Tensor target) {
        context.copies().toDevice(host, target);
    }

    @Override
    public void copyToHost(Tensor source, MemorySegment host) {
        context.guard().refuse("a copy to the host that waits");
        context.copies().toHost(source, host);
    }

    @Override
    public void copyToHostLater(Tensor source, MemorySegment host) {
        context.copies().toHostLater(source, host);
    }

    @Override
    public Mark mark() {
        context.guard().refuse("a mark");
        context.progress().advance();
        return context.marks().mark();
    }

    @Override
    public Optional<Recording> record(Runnable ops) {
        return Optional.of(CudaRecording.of(context, ops));
    }

    /// Counts a mark as an op, since copies and collectives of other classes may be all there is
    /// between two.
    @Override
    public long progress() {
        return context.progress().ops() + context.marks().reached();
    }

    @Override
    public boolean busy() {
        return context.progress().ops() < context.progress().announced()
                || context.marks().pending();
    }

    @Override
    public PackedWeight prepare(List<WeightRows> segments, DType compute) {
        return loading.weight(segments, compute);
    }

    @Override
    public long packedBytes(TensorType type, DType compute, int rows, int columns, int skipped) {
        return loading.packedBytes(compute, rows, columns);
    }

    @Override
    public EmbeddingTable prepareEmbedding(WeightRows table) {
        return loading.embedding(table);
    }

    @Override
    public ExpertSet prepareExperts(ExpertLayer layer) {
        return experts.prepare(layer);
    }

    @Override
    public Tensor prepareVector(float[] values) {
        return loading.vector(values);
    }

    @Override
    public RotaryTable prepareRotary(float[][] cos, float[][] sin) {
        return loading.rotary(cos, sin);
    }

    @Override
    public AttentionBackend attention(AttentionShape shape, KvLayout layout) {
        var backend = new CudaAttention(context, shape, layout);
        attentions.add(backend);
        return backend;
    }

    @Override
    public Optional<ExpandedAttention> expandedAttention(ExpandedHeads heads, KvLayout layout) {
        return Optional.empty();
    }

    @Override
    public PagedKv allocateKv(KvLayout layout, int blocks) {
        return new CudaPagedKv(context, layout, blocks);
    }

    @Override
    public Sampler sampler(int slots, int vocabularySize) {
        return new CudaSampler(context, slots, vocabularySize);
    }

    @Override
    public void embed(EmbeddingTable table, Tensor ids, Tensor out) {
        rows.embed(table, ids, out);
        enqueued();
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        rows.rmsNorm(x, weight, epsilon, out);
        enqueued();
    }

    @Override
    public void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        rows.addRmsNorm(x, residual, weight, epsilon, out);
        enqueued();
    }

    @Override
    public void matmul(Tensor x, PackedWeight weight, Tensor out) {
        matmul.run(x, weight, out);
        enqueued();
    }

    @Override
    public void rmsNormHeads(Tensor x, Tensor weight, float epsilon) {
        rows.rmsNormHeads(x, weight, epsilon);
        enqueued();
    }

    @Override
    public void squareSums(Tensor x, Tensor out) {
        rows.squareSums(x, out);
        enqueued();
    }

    @Override
    public void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon) {
        rows.normalizeBySums(x, sums, count, weight, epsilon);
        enqueued();
    }

    @Override
    public void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out) {
        rows.layerNorm(x, weight, bias, epsilon, out);
        enqueued();
    }

    @Override
    public void add(Tensor x, Tensor y) {
        elements.add(x, y);
        enqueued();
    }

    @Override
    public void addGated(Tensor x, Tensor y, Tensor logits) {
        elements.addGated(x, y, logits);
        enqueued();
    }

    @Override
    public void copy(Tensor x, Tensor out) {
        elements.copy(x, out);
        enqueued();
    }

    @Override
    public void clear(Tensor x) {
        elements.clear(x);
        enqueued();
    }

    @Override
    public void scale(Tensor x, float factor) {
        elements.scale(x, factor);
        enqueued();
    }

    @Override
    public void scaleRows(Tensor x, Tensor factors, Tensor positions) {
        elements.scaleRows(x, factors, positions);
        enqueued();
    }

    @Override
    public void softCap(Tensor x, float cap) {
        elements.softCap(x, cap);
        enqueued();
    }

    @Override
    public void activate(Activation activation, Tensor x, Tensor out) {
        elements.activate(activation, x, out);
        enqueued();
    }

    @Override
    public void xielu(Xielu xielu, Tensor x) {
        elements.xielu(xielu, x);
        enqueued();
    }

    @Override
    public void activateMultiply(Activation activation, Tensor gateUp, Tensor out) {
        elements.activateMultiply(activation, gateUp, out);
        enqueued();
    }

    @Override
    public void experts(
            ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out) {
        experts.run(set, x, routerLogits, scratch, out);
        enqueued();
    }

    @Override
    public void gatherRows(Tensor x, Tensor rows, Tensor out) {
        this.rows.gatherRows(x, rows, out);
        enqueued();
    }

    @Override
    public void scatter(Tensor indices, Tensor values, Tensor out) {
        rows.scatter(indices, values, out);
        enqueued();
    }

    @Override
    public void convolve(
            PagedBatch batch, Tensor states, Tensor weight, Optional<Tensor> bias, Tensor x) {
        this.states.convolve(batch, states, weight, bias, x);
        enqueued();
    }

    @Override
    public void decay(StateGates decay, Tensor gates) {
        states.decay(decay, gates);
        enqueued();
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
        enqueued();
    }

    @Override
    public void multiply(Tensor x, Tensor y, boolean logistic) {
        states.multiply(x, y, logistic);
        enqueued();
    }

    @Override
    public void addScaledRows(Tensor x, Tensor y, Tensor factors) {
        residuals.addScaledRows(x, y, factors);
        enqueued();
    }

    @Override
    public void scaleColumns(Tensor x, Tensor factors) {
        residuals.scaleColumns(x, factors);
        enqueued();
    }

    @Override
    public void matchMagnitude(Tensor x, Tensor like, float least) {
        residuals.matchMagnitude(x, like, least);
        enqueued();
    }

    @Override
    public void moments(Tensor x, Tensor out) {
        residuals.moments(x, out);
        enqueued();
    }

    @Override
    public void keepAbove(Tensor x, Tensor moments, int count, float deviations) {
        residuals.keepAbove(x, moments, count, deviations);
        enqueued();
    }

    @Override
    public void copyBlocks(PagedKv kv, List<BlockCopy> copies) {
        if (!(kv instanceof CudaPagedKv cache)) {
            throw new IllegalArgumentException("the KV cache was allocated by other kernels");
        }
        copies.forEach(copy -> copy.require(kv));
        cache.copy(copies);
        enqueued();
    }

    /// Frees everything; of a lost device there is nothing left to free.
    @Override
    public void close() {
        try {
            attentions.forEach(CudaAttention::close);
            experts.close();
            matmul.close();
            loading.close();
            cublasLt.close();
            context.close();
            cuda.close();
        } catch (DeviceLostException lost) {
            LOG.debug("A lost device has nothing left to free", lost);
        }
    }

    private void enqueued() {
        context.progress().enqueued();
    }
}

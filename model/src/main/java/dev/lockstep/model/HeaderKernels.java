// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Device;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.Mark;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// Kernels without memory: a family that loads with them has checked the name and the shape of
/// every tensor it needs, from headers. They run nothing.
final class HeaderKernels implements Kernels {
    private static final DevicePointer NOWHERE = new DevicePointer(0);

    private record Nothing() implements PackedWeight, EmbeddingTable {
        @Override
        public int rows() {
            return 0;
        }

        @Override
        public int columns() {
            return 0;
        }

        @Override
        public long bytes() {
            return 0;
        }
    }

    private record NoExperts(ExpertLayer layer) implements ExpertSet {}

    private record NoAttention() implements AttentionBackend {
        @Override
        public AttentionPlan plan(PagedBatch batch) {
            throw runsNothing();
        }

        @Override
        public void rotateAndStore(
                AttentionPlan plan,
                Tensor qkv,
                RotaryTable rotary,
                Tensor positions,
                PagedKv kv,
                int layer) {
            throw runsNothing();
        }

        @Override
        public void attend(AttentionPlan plan, Tensor qkv, PagedKv kv, int layer, Tensor out) {
            throw runsNothing();
        }
    }

    @Override
    public PackedWeight prepare(List<WeightRows> segments, DType compute) {
        return new Nothing();
    }

    @Override
    public EmbeddingTable prepareEmbedding(WeightRows table) {
        return new Nothing();
    }

    @Override
    public ExpertSet prepareExperts(ExpertLayer layer) {
        return new NoExperts(layer);
    }

    @Override
    public Tensor prepareVector(float[] values) {
        return new Tensor(NOWHERE, DType.F32, 1, values.length, values.length);
    }

    @Override
    public RotaryTable prepareRotary(float[][] cos, float[][] sin) {
        int pairs = cos[0].length;
        var table = new Tensor(NOWHERE, DType.F32, cos.length, pairs, pairs);
        return new RotaryTable(table, table, 2 * pairs);
    }

    @Override
    public AttentionBackend attention(AttentionShape shape, KvLayout layout) {
        return new NoAttention();
    }

    @Override
    public double bytesPerWeight(TensorType type, DType compute) {
        return 0;
    }

    @Override
    public DeviceCapabilities capabilities() {
        throw runsNothing();
    }

    @Override
    public DType activationType() {
        return DType.F32;
    }

    @Override
    public long allocatedBytes() {
        return 0;
    }

    @Override
    public long progress() {
        return 0;
    }

    @Override
    public void close() {}

    @Override
    public Device device() {
        return new Device("headers", "none", 0);
    }

    private static UnsupportedOperationException runsNothing() {
        return new UnsupportedOperationException("kernels of headers run nothing");
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        throw runsNothing();
    }

    @Override
    public MemorySegment allocateHost(long bytes, Arena arena) {
        throw runsNothing();
    }

    @Override
    public long freeBytes() {
        throw runsNothing();
    }

    @Override
    public void reserve(int maxTokens, int maxRows, int maxPositions) {
        throw runsNothing();
    }

    @Override
    public void attachThread() {
        throw runsNothing();
    }

    @Override
    public void copyToHostLater(Tensor source, MemorySegment host) {
        throw runsNothing();
    }

    @Override
    public Mark mark() {
        throw runsNothing();
    }

    @Override
    public Optional<Recording> record(Runnable ops) {
        throw runsNothing();
    }

    @Override
    public void copyToDevice(MemorySegment host, Tensor target) {
        throw runsNothing();
    }

    @Override
    public void copyToHost(Tensor source, MemorySegment host) {
        throw runsNothing();
    }

    @Override
    public PagedKv allocateKv(KvLayout layout, int blocks) {
        throw runsNothing();
    }

    @Override
    public Sampler sampler(int slots, int vocabularySize) {
        throw runsNothing();
    }

    @Override
    public void embed(EmbeddingTable table, Tensor ids, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void matmul(Tensor x, PackedWeight weight, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void rmsNormHeads(Tensor x, Tensor weight, float epsilon) {
        throw runsNothing();
    }

    @Override
    public void squareSums(Tensor x, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon) {
        throw runsNothing();
    }

    @Override
    public void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void add(Tensor x, Tensor y) {
        throw runsNothing();
    }

    @Override
    public void copy(Tensor x, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void clear(Tensor x) {
        throw runsNothing();
    }

    @Override
    public void scale(Tensor x, float factor) {
        throw runsNothing();
    }

    @Override
    public void softCap(Tensor x, float cap) {
        throw runsNothing();
    }

    @Override
    public void activate(Activation activation, Tensor x, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void activateMultiply(Activation activation, Tensor gateUp, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void experts(
            ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void gatherRows(Tensor x, Tensor rows, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void scatter(Tensor indices, Tensor values, Tensor out) {
        throw runsNothing();
    }

    @Override
    public void copyBlocks(PagedKv kv, List<BlockCopy> copies) {
        throw runsNothing();
    }
}

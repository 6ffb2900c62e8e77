package dev.lockstep.kernels;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// Everything a model may ask of hardware. CPU and CUDA pass one contract suite.
///
/// Shapes: T tokens of the step, H hidden size, I columns of the feed-forward shard. Activations
/// have [#activationType]. Closed by the worker that made it, after everything allocated from it.
public interface Kernels extends AutoCloseable {

    Device device();

    /// F32 on a CPU, whatever the weights; a GPU computes in its own.
    DType activationType();

    /// Whether plain weights can be multiplied in this type: F32 everywhere, BF16 where the
    /// hardware has it.
    boolean canCompute(DType type);

    // Memory.

    DeviceBuffer allocate(long bytes);

    /// Bytes of device memory this process holds: buffers, weights, KV blocks, and the scratch
    /// memory that ops have grown so far.
    long allocatedBytes();

    /// Host to device, in stream order; `host` may be reused when the call returns.
    void copyToDevice(MemorySegment host, Tensor target);

    /// Device to host; returns when the bytes are there.
    void copyToHost(Tensor source, MemorySegment host);

    /// Waits until every op called before has finished.
    void synchronize();

    /// Ops finished since start; grows while a long step computes. Any thread may ask.
    long progress();

    // What is prepared once.

    /// Packs the segments, one below the other, for [#matmul]. `compute` is F32 or BF16 and
    /// concerns plain types only; quantized ones multiply int8 activations.
    PackedWeight prepare(List<WeightRows> segments, DType compute);

    /// Device bytes a weight of a packed matrix takes; a small tail of each matrix is not counted.
    double bytesPerWeight(WeightType type, DType compute);

    EmbeddingTable prepareEmbedding(WeightRows table);

    /// A norm's weight: one row, as F32.
    Tensor prepareVector(WeightRows vector);

    /// Takes tables of `[positions][dimensions / 2]`.
    RotaryTable prepareRotary(float[][] cos, float[][] sin);

    AttentionBackend attention(AttentionShape shape, KvLayout layout);

    PagedKv allocateKv(KvLayout layout, int blocks);

    Sampler sampler(int slots, int vocabularySize);

    // Ops.

    /// Looks rows up: `out[t] = table[ids[t]]`.
    ///
    /// @param ids `[1, T]` I32
    /// @param out `[T, H]`
    void embed(EmbeddingTable table, Tensor ids, Tensor out);

    /// `out = x / sqrt(mean(x²) + epsilon) · weight`, row by row. `out` may be `x`.
    ///
    /// @param x `[T, H]`
    void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out);

    /// `residual += x`, then `out = rmsNorm(residual)`. `out` may be `x`.
    void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out);

    /// `out[t][r] = Σ x[t][c] · weight[r][c]`, `out` F32 or the activation type.
    ///
    /// @param x `[T, weight.columns]`
    /// @param out `[T, weight.rows]`
    void matmul(Tensor x, PackedWeight weight, Tensor out);

    /// [#rmsNorm] of every head of `x` by itself, in place.
    ///
    /// @param x `[T, heads · weight.columns]`
    void rmsNormHeads(Tensor x, Tensor weight, float epsilon);

    /// `out = Σ x²`, row by row: this rank's part of a norm over columns that ranks share.
    ///
    /// @param out `[T, 1]`
    void squareSums(Tensor x, Tensor out);

    /// `x = x / sqrt(sums / count + epsilon) · weight`, row by row, in place.
    ///
    /// @param sums `[T, 1]`: squares of `count` columns, on whatever rank they are
    /// @param weight of the columns of `x`
    void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon);

    /// `out = (x - mean) / sqrt(variance + epsilon) · weight + bias`, row by row. `out` may be `x`.
    void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out);

    /// `x += y`, in place.
    ///
    /// @param y as many rows as `x`, or one that is added to all
    void add(Tensor x, Tensor y);

    /// `out = x`.
    void copy(Tensor x, Tensor out);

    /// `x = 0`.
    void clear(Tensor x);

    /// `x = x · factor`, in place.
    void scale(Tensor x, float factor);

    /// `x = cap · tanh(x / cap)`, in place.
    void softCap(Tensor x, float cap);

    /// `out = activation(x)`; `out` may be `x`.
    void activate(Activation activation, Tensor x, Tensor out);

    /// `out = activation(gate) · up`.
    ///
    /// @param gateUp `[T, 2I]`: gate, then up
    /// @param out `[T, I]`
    void activateMultiply(Activation activation, Tensor gateUp, Tensor out);

    /// Softmax of a router's logits; each token goes to its `perToken` likeliest experts, the lower
    /// number first among equals.
    ///
    /// @param logits `[T, experts]` F32
    /// @param renormalized whether the weights of a token's experts are made to add up to 1
    ExpertRouting route(Tensor logits, int perToken, boolean renormalized);

    /// `out[rows[i]] += weights[i] · x[i]`, i ascending.
    ///
    /// @param rows `[1, n]` I32
    /// @param weights `[1, n]` F32
    void addWeightedRows(Tensor x, Tensor rows, Tensor weights, Tensor out);

    /// `out[i] = x[rows[i]]`.
    ///
    /// @param rows `[1, n]` I32
    void gatherRows(Tensor x, Tensor rows, Tensor out);

    void copyBlocks(PagedKv kv, List<BlockCopy> copies);

    @Override
    void close();
}

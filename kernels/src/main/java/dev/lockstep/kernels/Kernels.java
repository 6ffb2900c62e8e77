// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// The operations that a model runs on hardware. Every implementation passes one contract suite.
///
/// Shapes: T tokens of the step, H hidden size, I columns of the feed-forward shard. Activations
/// have [#activationType]; logits, sums, and vectors such as weights of norms and biases are F32.
/// An op computes in F32 or better and rounds its result once. The worker that opened the kernels
/// closes them, after everything allocated from them.
public interface Kernels extends Preparation, AutoCloseable {

    Device device();

    DeviceCapabilities capabilities();

    /// Returns the type of activations, which these kernels were opened for.
    DType activationType();

    // Memory.

    DeviceBuffer allocate(long bytes);

    /// Allocates host memory that a copy from the device writes to directly, freed with `arena`.
    MemorySegment allocateHost(long bytes, Arena arena);

    /// Returns the bytes of device memory this process holds: buffers, weights, KV blocks, and the
    /// scratch memory of ops, which grows until [#reserve].
    long allocatedBytes();

    /// Returns the bytes of device memory that can still be allocated.
    long freeBytes();

    /// Allocates the scratch memory of ops for everything prepared until now: afterwards no op
    /// allocates device memory. Throws [OutOfDeviceMemoryException] if it does not fit.
    ///
    /// @param maxTokens tokens of a step
    /// @param maxRows rows of a step, also logit rows
    /// @param maxPositions tokens of a sequence
    void reserve(int maxTokens, int maxRows, int maxPositions);

    /// Copies host memory to the device, in stream order; `host` may be reused when the call
    /// returns.
    void copyToDevice(MemorySegment host, Tensor target);

    /// Copies device memory to the host; returns when the copy is complete.
    void copyToHost(Tensor source, MemorySegment host);

    // Waiting. Ops are in stream order and none of them waits: an op may run after its call has
    // returned.

    /// Attaches the calling thread to the device. A thread does so before it calls anything else
    /// here, the thread that opened the kernels excepted.
    void attachThread();

    /// Copies device memory to the host, in stream order: `host` has the values, which later ops do
    /// not change, once a later mark is reached. Until then nothing else may use it.
    ///
    /// @param host from [#allocateHost]
    void copyToHostLater(Tensor source, MemorySegment host);

    /// Returns the point of the stream after the ops called until now.
    Mark mark();

    /// Waits until every preceding op has finished.
    default void synchronize() {
        mark().await();
    }

    /// Records the ops that `ops` calls instead of running them. Returns empty where a device
    /// cannot record; then `ops` is not called. A wait or an allocation inside `ops` is refused
    /// with an [IllegalStateException], as is a recording within a recording.
    Optional<Recording> record(Runnable ops);

    /// Returns whether the device may have ops that it has not finished. Any attached thread may
    /// ask.
    default boolean busy() {
        return false;
    }

    /// Returns the number of ops finished since start, which grows while a long step computes. Any
    /// thread may call it.
    long progress();

    /// Tells that the ops which follow are those of one step of a group in service. A CPU chooses
    /// the threads that compute it from the times of such calls.
    ///
    /// @param tokens of the step
    default void stepBegins(int tokens) {}

    /// Tells that the ops of the step that began last have been called, or that one of them failed.
    default void stepEnds() {}

    PagedKv allocateKv(KvLayout layout, int blocks);

    Sampler sampler(int slots, int vocabularySize);

    // Ops.

    /// Looks up rows: `out[t] = table[ids[t]]`.
    ///
    /// @param ids `[1, T]` I32
    /// @param out `[T, H]`
    void embed(EmbeddingTable table, Tensor ids, Tensor out);

    /// Computes `out = x / sqrt(mean(x²) + epsilon) · weight`, row by row. `out` may be `x`.
    ///
    /// @param x `[T, H]`
    void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out);

    /// Computes `residual += x`, then `out = rmsNorm(residual)` of the sums as stored. `out` may be
    /// `x`.
    void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out);

    /// Computes `out[t][r] = Σ x[t][c] · weight[r][c]`, `out` F32 or the activation type.
    ///
    /// @param x `[T, weight.columns]`
    /// @param out `[T, weight.rows]`
    void matmul(Tensor x, PackedWeight weight, Tensor out);

    /// Applies [#rmsNorm] to every head of `x` separately, in place.
    ///
    /// @param x `[T, heads · weight.columns]`
    void rmsNormHeads(Tensor x, Tensor weight, float epsilon);

    /// Computes `out = Σ x²`, row by row: this rank's partial sum for a norm over columns split
    /// across ranks.
    ///
    /// @param out `[T, 1]` F32
    void squareSums(Tensor x, Tensor out);

    /// Computes `x = x / sqrt(sums / count + epsilon) · weight`, row by row, in place.
    ///
    /// @param sums `[T, 1]` F32: sums of the squares of `count` columns, over all ranks
    /// @param weight for the columns of `x`
    void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon);

    /// Computes `out = (x - mean) / sqrt(variance + epsilon) · weight + bias`, row by row. `out`
    /// may be `x`.
    void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out);

    /// Computes `x += y`, in place, of activations or F32.
    ///
    /// @param y of the type of `x` with as many rows, or one row of F32 that is added to every row
    void add(Tensor x, Tensor y);

    /// Computes `x += y / (1 + e^-logit)`, in place, with the logit of each row.
    ///
    /// @param y like `x`
    /// @param logits `[T, 1]` F32
    void addGated(Tensor x, Tensor y, Tensor logits);

    /// Computes `x += y` of floats at addresses of host memory, on the calling thread: a part of a
    /// sum over ranks.
    default void addOnHost(long x, long y, int count) {
        throw new UnsupportedOperationException(
                "the tensors of these kernels are not in host memory");
    }

    /// Copies `x` to `out`, of the same type, or rounds F32 to activations.
    void copy(Tensor x, Tensor out);

    /// Sets `x` to 0.
    void clear(Tensor x);

    /// Computes `x = x · factor`, in place, of activations or F32.
    void scale(Tensor x, float factor);

    /// Computes `x[t] = x[t] · factors[positions[t]]`, in place: a factor of a token by its
    /// position.
    ///
    /// @param x `[T, columns]`, activations
    /// @param factors `[1, positions]` F32
    /// @param positions `[1, T]` I32
    void scaleRows(Tensor x, Tensor factors, Tensor positions);

    /// Computes `x = cap · tanh(x / cap)` of logits, in place.
    void softCap(Tensor x, float cap);

    /// Computes `out = activation(x)`; `out` may be `x`.
    void activate(Activation activation, Tensor x, Tensor out);

    /// Computes `x = xielu(x)` of activations, in place.
    void xielu(Xielu xielu, Tensor x);

    /// Computes `out = activation(gate) · up`, or the function of both that the activation is.
    ///
    /// @param gateUp `[T, 2I]`: gate, then up
    /// @param out `[T, I]`
    void activateMultiply(Activation activation, Tensor gateUp, Tensor out);

    /// Computes `out = Σ weightₑ · downₑ(activation(gateₑ · x) · upₑ · x)` over the experts e that
    /// a token chooses by its logits, e ascending, in any batch: this rank's partial sum. Biases
    /// are added to each product. Experts without a gate are `downₑ(activation(upₑ · x))`, and
    /// weighted inputs are `weightₑ · x` in place of weighted outputs.
    ///
    /// A token with a logit that is NaN or +∞ gets an output of NaN and changes no other token.
    ///
    /// @param x `[T, H]`
    /// @param routerLogits `[T, experts]` F32
    /// @param out `[T, H]`, overwritten; shares no memory with `x`
    void experts(ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out);

    /// Sets what sees the products within [#experts], for tools; kernels that compute all experts
    /// at once show none.
    default void observeExperts(ExpertObserver observer) {}

    /// Computes `out[i] = x[rows[i]]`, of the same type.
    ///
    /// @param rows `[1, n]` I32
    void gatherRows(Tensor x, Tensor rows, Tensor out);

    /// Writes `out[indices[i]] = values[i]`, where `out` counts as one vector, row after row. A
    /// pair whose index is -1 writes nothing; no other index occurs twice.
    ///
    /// @param indices `[1, n]` I32
    /// @param values `[1, n]` I32
    /// @param out dense I32
    void scatter(Tensor indices, Tensor values, Tensor out);

    // States: what a layer keeps of the tokens before, of a fixed size for each sequence. `states`
    // is F32 with a line for each sequence: row r of a batch reads and writes line `lines[r]`, and
    // starts with zeros if `computed[r]` is 0. Tokens are computed one after the other, so that any
    // chunks of a sequence give the same bits. A state is opaque: its order is the kernels' own.

    /// Computes `x[t] = bias + Σ weight[i] · x[t − taps + 1 + i]` of each channel, in place: a
    /// causal convolution (LeCun et al. 1989) whose state is the last `taps − 1` inputs.
    ///
    /// @param states `[lines, (taps − 1) · C]`
    /// @param weight `[1, taps · C]` F32: all channels of the oldest tap first
    /// @param bias `[1, C]` F32
    /// @param x `[T, C]`
    void convolve(PagedBatch batch, Tensor states, Tensor weight, Optional<Tensor> bias, Tensor x);

    /// Computes gates over states, in place.
    ///
    /// @param gates `[T, 2 · heads]` F32: the shares of a token, then what the states keep
    void decay(StateGates decay, Tensor gates);

    /// Updates states by tokens and reads them, as [LinearAttentionHeads] says.
    ///
    /// @param states `[lines, heads.stateFloats]`
    /// @param qkv `[T, heads.columns]`: queries, keys, values
    /// @param gates `[T, 2 · value heads]` F32, after [#decay]
    /// @param skip `[1, value heads]` F32: a factor of the value that is added to the output
    /// @param out `[T, value columns]`, shares no memory with `qkv`
    void linearAttention(
            PagedBatch batch,
            Tensor states,
            LinearAttentionHeads heads,
            Tensor qkv,
            Tensor gates,
            Optional<Tensor> skip,
            Tensor out);

    /// Computes `x = x · y`, or `x = x · logistic(y)`, in place.
    ///
    /// @param y like `x`, or `[T, 1]` of the same type: a factor of a whole row
    void multiply(Tensor x, Tensor y, boolean logistic);

    // Several residuals of a token.

    /// Computes `x[t] = x[t] + y[t] · factors[t]`, in place: a factor for each row.
    ///
    /// @param y like `x`
    /// @param factors `[T, 1]` F32
    void addScaledRows(Tensor x, Tensor y, Tensor factors);

    /// Computes `x[t][c] = x[t][c] · factors[c]`, in place: a factor for each column.
    ///
    /// @param factors `[1, columns]` F32
    void scaleColumns(Tensor x, Tensor factors);

    /// Computes `x = x · sqrt(mean(like²) / max(mean(x²), least))`, row by row, in place: rows of
    /// the magnitude of others.
    ///
    /// @param like as `x`
    void matchMagnitude(Tensor x, Tensor like, float least);

    /// Computes `out = Σ x, Σ x²`, row by row: this rank's partial sums for [#keepAbove].
    ///
    /// @param out `[T, 2]` F32
    void moments(Tensor x, Tensor out);

    /// Computes `x = max(0, x − mean − deviations · √variance)`, row by row, in place.
    ///
    /// @param moments `[T, 2]` F32: sums of `count` columns and of their squares, over all ranks
    void keepAbove(Tensor x, Tensor moments, int count, float deviations);

    /// Copies blocks, one copy after the other; does none if one of them is refused.
    void copyBlocks(PagedKv kv, List<BlockCopy> copies);

    @Override
    void close();
}

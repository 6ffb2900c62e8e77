// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The outputs of [Sampler#sample] and [Sampler#score]; log-probabilities that the settings of a
/// row do not request are not written.
///
/// @param ids `[1, rows]` I32
/// @param logprobs `[1, rows]` F32: natural logarithm of the softmax over the raw logits
/// @param topIds `[rows, MAX_TOP_LOGPROBS]` I32, most likely first
/// @param topLogprobs `[rows, MAX_TOP_LOGPROBS]` F32
public record Samples(Tensor ids, Tensor logprobs, Tensor topIds, Tensor topLogprobs) {

    public Samples rows(int count) {
        return new Samples(
                ids.columns(0, count),
                logprobs.columns(0, count),
                topIds.rows(0, count),
                topLogprobs.rows(0, count));
    }

    /// Returns the samples of `rows` rows in `buffer`: [#bytes] from `offset` on.
    public static Samples in(DeviceBuffer buffer, long offset, int rows) {
        long ids = offset;
        long logprobs = ids + 4L * rows;
        long topIds = logprobs + 4L * rows;
        long top = (long) rows * SamplingSettings.MAX_TOP_LOGPROBS;
        return new Samples(
                buffer.tensor(ids, DType.I32, 1, rows),
                buffer.tensor(logprobs, DType.F32, 1, rows),
                buffer.tensor(topIds, DType.I32, rows, SamplingSettings.MAX_TOP_LOGPROBS),
                buffer.tensor(
                        topIds + 4 * top, DType.F32, rows, SamplingSettings.MAX_TOP_LOGPROBS));
    }

    public static long bytes(int rows) {
        return 4L * rows * (2 + 2 * SamplingSettings.MAX_TOP_LOGPROBS);
    }
}

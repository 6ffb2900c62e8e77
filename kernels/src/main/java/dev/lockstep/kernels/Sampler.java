// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// A sampler of tokens by Gumbel-max, which keeps per slot the settings, the token counts and the
/// last id.
///
/// Every rank has one; only the rank that holds the logits calls [#sample], and every rank calls
/// [#record] with the chosen ids. All state is on the device, so that a decode step needs nothing
/// from the host.
///
/// A row of slot [#PADDING] fills a step up to a fixed size: nothing is sampled or recorded for it.
public interface Sampler extends AutoCloseable {
    /// The slot of a row that is padding.
    int PADDING = -1;

    /// Assigns a slot to a sequence. `outputIds` are the ids generated before it was preempted.
    void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds);

    void release(int slot);

    /// Restricts what [#sample] chooses for a slot: from now until the next call, or the next
    /// admission, an id that is not allowed counts as one with a logit of minus infinity. What
    /// follows may still mask some of the allowed ids; if none remains, id 0 is chosen.
    ///
    /// @param allowed a bit for each id: id `i` is bit `i % 64` of word `i / 64`
    void allow(int slot, long[] allowed);

    /// Records ids that follow the last one of a slot without having been sampled, as [#record]
    /// would have one after the other.
    void append(int slot, int[] ids);

    /// Replaces each id `-1 - slot` by the last id recorded for that slot; other ids, such as the 0
    /// of a padding row, stay.
    ///
    /// @param ids `[1, tokens]` I32, changed in place
    void resolve(Tensor ids);

    /// Chooses one id for each row: computes the raw log-probabilities, applies the settings in the
    /// order that [SamplingSettings] gives, and takes the arg max (the lowest id wins a tie).
    ///
    /// `out` is not written for a padding row.
    ///
    /// @param logits `[rows, vocabulary]` F32, overwritten
    /// @param slots `[1, rows]` I32
    void sample(Tensor logits, Tensor slots, Samples out);

    /// Writes what [#sample] would write had it chosen `targets`: these ids, their
    /// log-probabilities and the `top` most likely ids, by the raw logits. No slot is read.
    ///
    /// @param logits `[rows, vocabulary]` F32; NaN and positive infinity are overwritten
    /// @param targets `[1, rows]` I32
    /// @param top 0 to [SamplingSettings#MAX_TOP_LOGPROBS]; the later ids and log-probabilities of
    ///   `out` are not written
    void score(Tensor logits, Tensor targets, int top, Samples out);

    /// Records `ids` as the last ids of `slots` and counts them. The id of a padding row may be any
    /// number.
    ///
    /// @param slots `[1, rows]` I32
    /// @param ids `[1, rows]` I32
    void record(Tensor slots, Tensor ids);

    @Override
    void close();
}

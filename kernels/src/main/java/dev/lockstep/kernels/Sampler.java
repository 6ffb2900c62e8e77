package dev.lockstep.kernels;

/// Chooses tokens by Gumbel-max and keeps, per slot, what choosing needs: settings, token counts,
/// the last id.
///
/// Every rank has one; only the rank that holds the logits calls [#sample], and every rank calls
/// [#record] with the ids that were chosen. All of it lives on the device, so that a decode step
/// needs nothing from the host.
public interface Sampler extends AutoCloseable {

    /// Takes a slot for a sequence. `outputIds` are those generated before it was preempted.
    void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds);

    void release(int slot);

    /// Replaces each id `-1 - slot` by the last id recorded for that slot.
    ///
    /// @param ids `[1, tokens]` I32, in place
    void resolve(Tensor ids);

    /// Order: raw log-probabilities are taken, then masked ids, logit bias, repetition, frequency
    /// and presence penalty, greedy rows choose, temperature, min-p, top-k, top-p, noise, arg max
    /// (lowest id wins a tie).
    ///
    /// @param logits `[rows, vocabulary]` F32, overwritten
    /// @param slots `[1, rows]` I32
    void sample(Tensor logits, Tensor slots, Samples out);

    /// Writes what [#sample] would had it chosen `targets`: these ids, their log-probabilities and
    /// the `top` most likely ids, by the logits as they are. No slot is looked at.
    ///
    /// @param logits `[rows, vocabulary]` F32, what is no number in it overwritten
    /// @param targets `[1, rows]` I32
    /// @param top 0 to [SamplingSettings#MAX_TOP_LOGPROBS]; ids and log-probabilities of `out`
    ///   beyond stay as they were
    void score(Tensor logits, Tensor targets, int top, Samples out);

    /// Makes `ids` the last ids of `slots` and counts them.
    ///
    /// @param slots `[1, rows]` I32
    /// @param ids `[1, rows]` I32
    void record(Tensor slots, Tensor ids);

    @Override
    void close();
}

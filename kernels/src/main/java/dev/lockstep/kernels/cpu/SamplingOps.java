// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The sampling ops on a whole row of logits. Every implementation returns the same.
interface SamplingOps {
    /// Tokens that share one maximum, and one round of random numbers.
    int CHUNK = 64;

    static int chunks(int count) {
        return (count + CHUNK - 1) / CHUNK;
    }

    /// Returns the first id with the greatest logit; a NaN is never greater. Returns 0 if no logit
    /// is above minus infinity.
    int argMax(long logits, int count);

    /// Replaces NaN by minus infinity, and infinity by the greatest float.
    ///
    /// @param maxima receives the greatest logit of each chunk
    void clean(long logits, int count, long maxima);

    /// Returns `Σ e^((x - greatest) · factor)`: sixteen float sums per chunk, the chunks added in
    /// double.
    double exponentialSum(long logits, int count, float greatest, float factor);

    /// Writes the ids of logits that are at least `limit`, ascending; returns their number.
    int collect(long logits, int count, float limit, long ids);

    /// Returns the id with the greatest `(x - greatest) · factor + noise`, the lowest id of a tie.
    ///
    /// @param start any id whose logit is `greatest`
    int draw(
            long logits,
            int count,
            float greatest,
            int start,
            double factor,
            long seed,
            int choice,
            int position);
}

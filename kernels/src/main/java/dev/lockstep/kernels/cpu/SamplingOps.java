package dev.lockstep.kernels.cpu;

/// What choosing a token does to a whole row of logits. Every implementation returns the same.
interface SamplingOps {
    /// Tokens that share one maximum, and one round of random numbers.
    int CHUNK = 64;

    static int chunks(int count) {
        return (count + CHUNK - 1) / CHUNK;
    }

    /// The first greatest; a NaN is never greater. 0 if nothing is above minus infinity.
    int argMax(long logits, int count);

    /// NaN becomes minus infinity, infinity the greatest float.
    ///
    /// @param maxima receives the greatest of each chunk
    void clean(long logits, int count, long maxima);

    /// `Σ e^((x - greatest) · factor)`: per chunk sixteen float sums, the chunks in double.
    double exponentialSum(long logits, int count, float greatest, float factor);

    /// Writes the ids of logits that are at least `limit`, ascending; returns how many.
    int collect(long logits, int count, float limit, long ids);

    /// The id with the greatest `(x - greatest) · factor + noise`, the lowest of equals.
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

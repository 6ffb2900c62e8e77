// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// Multi-head latent attention (DeepSeek-AI 2024): keys and values of all heads are projections of
/// one latent vector a token, beside which all heads share the part of the key that is rotated.
///
/// @param queryRank size of the latent vector of queries, 0 where they are projected at once
/// @param rank size of the latent vector of keys and values
/// @param plainDim dimensions of a query head that are not rotated
/// @param rotaryDim dimensions of a query head, and of a token's shared key, that are rotated
/// @param valueDim dimensions of a head's value
/// @param pairs whether the rope turns adjacent dimensions
public record LatentConfig(
        int queryRank, int rank, int plainDim, int rotaryDim, int valueDim, boolean pairs) {

    public LatentConfig {
        ModelConfig.requireBetween("query rank", queryRank, 0, 1 << 20);
        ModelConfig.requireBetween("KV rank", rank, 1, 1 << 16);
        // A head's query is multiplied into the space of the latent, where it is not shorter.
        ModelConfig.requireBetween("unrotated query dimensions", plainDim, 1, rank);
        ModelConfig.requireBetween("rotated query dimensions", rotaryDim, 2, 1 << 16);
        ModelConfig.requireBetween("value dimensions", valueDim, 1, rank + rotaryDim);
    }

    /// Returns the dimensions of a head's query.
    public int queryDim() {
        return plainDim + rotaryDim;
    }

    /// Returns the dimensions of what the cache keeps of a token: the rotated part of its key, then
    /// its latent vector.
    public int cachedDim() {
        return rotaryDim + rank;
    }
}

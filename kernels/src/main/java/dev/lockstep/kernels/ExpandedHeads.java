// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The heads of one rank whose keys and values are products with a latent vector of each token. The
/// rest of a key is rotated, and shared by all heads.
///
/// @param rank size of the latent vector
/// @param plainDim dimensions of a head's key that are a product
/// @param rotaryDim dimensions of a key that all heads share
/// @param valueDim dimensions of a head's value
/// @param scale multiplies q·k
public record ExpandedHeads(
        int heads, int rank, int plainDim, int rotaryDim, int valueDim, float scale) {
    /// The most heads of a group. The keys and values of a sequence are in scratch memory for one
    /// group at a time: a few heads give threads enough work, and more of them only take memory.
    private static final int MOST_HEADS = 4;

    /// Returns the heads that are computed at a time, a divisor of all.
    public int group() {
        int group = Math.min(MOST_HEADS, heads);
        while (group > 1 && heads % group != 0) {
            group--;
        }
        return group;
    }

    public int groups() {
        return heads == 0 ? 0 : heads / group();
    }

    public int queryDim() {
        return plainDim + rotaryDim;
    }

    /// Returns the rows of a group's matrix: of each head those of its key, then of its value.
    public int groupRows() {
        return group() * (plainDim + valueDim);
    }

    /// Returns the dimensions of what the cache keeps of a token: the shared part of its key, then
    /// its latent vector.
    public int cachedDim() {
        return rotaryDim + rank;
    }

    /// Returns the bytes of scratch memory for each position of a sequence.
    public long bytesPerPosition() {
        return (long) group() * (queryDim() + valueDim) * DType.F32.bytes();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// A copy of the first `tokens` tokens of block `from` to block `to`, in every layer of the KV
/// group.
public record BlockCopy(int from, int to, int tokens) {

    /// Throws for the null block, for block numbers out of range and for more tokens than a block
    /// has.
    public void require(PagedKv kv) {
        requireBlock(from, kv.blocks());
        requireBlock(to, kv.blocks());
        int blockSize = kv.layout().blockSize();
        if (tokens < 0 || tokens > blockSize) {
            throw new IllegalArgumentException(
                    "copy of %d tokens of a block of %d".formatted(tokens, blockSize));
        }
    }

    private static void requireBlock(int block, int blocks) {
        if (block < 1 || block >= blocks) {
            throw new IllegalArgumentException(
                    "KV block %d, must be 1 to %d".formatted(block, blocks - 1));
        }
    }
}

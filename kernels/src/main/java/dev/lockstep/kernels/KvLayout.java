// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The keys and values that a block of one KV group holds on one rank. The kernels define their
/// layout within the block.
///
/// @param layers layers of the group; each block holds all of them
/// @param kvHeads heads on this rank; 0 for an empty shard
/// @param blockSize tokens a block holds
public record KvLayout(int layers, int kvHeads, int headSize, DType type, int blockSize) {

    public KvLayout {
        if (layers < 1 || kvHeads < 0 || headSize < 1 || blockSize < 1) {
            throw new IllegalArgumentException(
                    "KV layout of %d layers, %d heads of %d, blocks of %d"
                            .formatted(layers, kvHeads, headSize, blockSize));
        }
    }

    /// Returns this layout with a single layer.
    public KvLayout ofOneLayer() {
        return new KvLayout(1, kvHeads, headSize, type, blockSize);
    }

    public long bytesPerToken() {
        return 2L * layers * kvHeads * headSize * type.bytes();
    }

    public long bytesPerBlock() {
        return bytesPerToken() * blockSize;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The keys and values that a block of one KV group holds on one rank. The kernels define their
/// layout within the block.
///
/// @param layers layers of the group; each block holds all of them
/// @param kvHeads heads on this rank; 0 for an empty shard
/// @param headSize dimensions of a key
/// @param valueSize dimensions of a value
/// @param type I8 for q8: every [#GROUP] dimensions of a row are int8 codes with an f16 scale; FP8
///   for codes of E4M3, see [KvScales]
/// @param blockSize tokens a block holds
/// @param valuesAreKeys whether the value of a token is its key, rotated, so that a block holds
///   keys alone: latent attention
public record KvLayout(
        int layers,
        int kvHeads,
        int headSize,
        int valueSize,
        DType type,
        int blockSize,
        boolean valuesAreKeys) {
    /// Dimensions that share a scale in q8.
    public static final int GROUP = 32;

    public KvLayout {
        if (layers < 1 || kvHeads < 0 || headSize < 1 || valueSize < 1 || blockSize < 1) {
            throw new IllegalArgumentException(
                    "KV layout of %d layers, %d heads of %d, values of %d, blocks of %d"
                            .formatted(layers, kvHeads, headSize, valueSize, blockSize));
        }
        if (valuesAreKeys && valueSize != headSize) {
            throw new IllegalArgumentException(
                    "values of %d are keys of %d".formatted(valueSize, headSize));
        }
        if (type == DType.I8 && (headSize % GROUP != 0 || valueSize % GROUP != 0)) {
            throw new IllegalArgumentException(
                    "q8 keys and values of heads of %d, must be a multiple of %d"
                            .formatted(headSize % GROUP != 0 ? headSize : valueSize, GROUP));
        }
    }

    /// Creates a layout whose values have the size of keys.
    public KvLayout(
            int layers,
            int kvHeads,
            int headSize,
            DType type,
            int blockSize,
            boolean valuesAreKeys) {
        this(layers, kvHeads, headSize, headSize, type, blockSize, valuesAreKeys);
    }

    /// Creates a layout of keys and values.
    public KvLayout(int layers, int kvHeads, int headSize, DType type, int blockSize) {
        this(layers, kvHeads, headSize, type, blockSize, false);
    }

    /// Returns this layout with a single layer.
    public KvLayout ofOneLayer() {
        return new KvLayout(1, kvHeads, headSize, valueSize, type, blockSize, valuesAreKeys);
    }

    /// Returns the rows of a token in each layer and head: its key and its value, or its key alone.
    public int rowsPerToken() {
        return valuesAreKeys ? 1 : 2;
    }

    /// Returns the elements of a token in each layer and head: its key and its value, or its key
    /// alone.
    public int rowSize() {
        return valuesAreKeys ? headSize : headSize + valueSize;
    }

    public long bytesPerToken() {
        return (long) layers * kvHeads * rowBytes(rowSize(), type);
    }

    /// Returns the bytes of so many elements of one token and head.
    public static int rowBytes(int elements, DType type) {
        int scales = type == DType.I8 ? elements / GROUP * DType.F16.bytes() : 0;
        return elements * type.bytes() + scales;
    }

    public long bytesPerBlock() {
        return bytesPerToken() * blockSize;
    }
}

package dev.lockstep.kernels;

/// How a weight is stored in a checkpoint: plain elements, or blocks that share a scale.
public enum WeightType {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    /// Blocks of 32: scale d (f16), minimum m (f16), 32 nibbles q; the low nibbles come first. w =
    /// d·q + m.
    Q4_1(32, 20),
    /// Blocks of 32: scale d (f16), 32 signed bytes q. w = d·q.
    Q8_0(32, 34);

    private final int blockSize;
    private final int blockBytes;

    WeightType(int blockSize, int blockBytes) {
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /// Elements a block holds; 1 for plain types.
    public int blockSize() {
        return blockSize;
    }

    public int blockBytes() {
        return blockBytes;
    }

    public boolean isQuantized() {
        return blockSize > 1;
    }

    /// Bytes of `columns` elements of one row; `columns` must be whole blocks.
    public long rowBytes(int columns) {
        if (columns % blockSize != 0) {
            throw new IllegalArgumentException(
                    "%d columns of %s are not whole blocks of %d"
                            .formatted(columns, this, blockSize));
        }
        return (long) (columns / blockSize) * blockBytes;
    }
}

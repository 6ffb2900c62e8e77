package dev.lockstep.checkpoint;

/// How the values of a weight are stored: plain floats, or blocks that share scales.
///
/// A row is always a whole number of blocks. Everything is little-endian.
public enum TensorType {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    Q4_0(32, 18),
    Q4_1(32, 20),
    Q5_0(32, 22),
    Q5_1(32, 24),
    Q8_0(32, 34),
    Q2_K(256, 84),
    Q3_K(256, 110),
    Q4_K(256, 144),
    Q5_K(256, 176),
    Q6_K(256, 210),
    IQ4_NL(32, 18);

    private final int blockSize;
    private final int bytesPerBlock;

    TensorType(int blockSize, int bytesPerBlock) {
        this.blockSize = blockSize;
        this.bytesPerBlock = bytesPerBlock;
    }

    /// Values in one block; 1 for plain floats.
    public int blockSize() {
        return blockSize;
    }

    public int bytesPerBlock() {
        return bytesPerBlock;
    }

    /// True for types whose values share scales.
    public boolean isQuantized() {
        return blockSize > 1;
    }

    /// Bytes of `columns` consecutive values that begin at a block border.
    public long bytesFor(long columns) {
        if (columns < 0 || columns % blockSize != 0) {
            throw new IllegalArgumentException(
                    columns
                            + " values are not a whole number of "
                            + this
                            + " blocks of "
                            + blockSize);
        }
        return Math.multiplyExact(columns / blockSize, (long) bytesPerBlock);
    }
}

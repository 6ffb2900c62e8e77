package dev.lockstep.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.IntStream;

/// A matrix as a checkpoint stores it, with random contents, and what each element means.
public record StoredMatrix(WeightType type, int rows, int columns, MemorySegment data) {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    public static StoredMatrix random(WeightType type, int rows, int columns, long seed) {
        var data = MemorySegment.ofArray(new byte[(int) (rows * type.rowBytes(columns))]);
        var random = new Random(seed);
        for (long at = 0; at < data.byteSize(); at += type.blockBytes()) {
            fill(type, data, at, random);
        }
        return new StoredMatrix(type, rows, columns, data);
    }

    private static void fill(WeightType type, MemorySegment data, long at, Random random) {
        switch (type) {
            case F32 -> data.set(FLOAT, at, (float) random.nextGaussian());
            case F16 -> data.set(SHORT, at, half(random.nextGaussian()));
            case BF16 -> data.set(SHORT, at, toBf16((float) random.nextGaussian()));
            case Q8_0 -> {
                data.set(SHORT, at, half(random.nextGaussian() / 64));
                fillBytes(data.asSlice(at + 2, 32), random);
            }
            case Q4_1 -> {
                data.set(SHORT, at, half(random.nextGaussian() / 8));
                data.set(SHORT, at + 2, half(random.nextGaussian()));
                fillBytes(data.asSlice(at + 4, 16), random);
            }
        }
    }

    /// The element's exact value.
    public double at(int row, int column) {
        long at = blockAt(row, column);
        return switch (type) {
            case F32 -> data.get(FLOAT, at);
            case F16 -> fromHalf(at);
            case BF16 -> Float.intBitsToFloat(data.get(SHORT, at) << 16);
            case Q8_0 -> fromHalf(at) * quantized(row, column);
            case Q4_1 -> fromHalf(at) * quantized(row, column) + fromHalf(at + 2);
        };
    }

    /// The integer a quantized element is stored as.
    public int quantized(int row, int column) {
        long at = blockAt(row, column);
        int inBlock = column % 32;
        return switch (type) {
            case Q8_0 -> data.get(ValueLayout.JAVA_BYTE, at + 2 + inBlock);
            case Q4_1 -> {
                int both = data.get(ValueLayout.JAVA_BYTE, at + 4 + inBlock % 16);
                yield (inBlock < 16 ? both : both >> 4) & 15;
            }
            case F32, F16, BF16 -> throw new IllegalArgumentException(type + " is plain");
        };
    }

    /// The scale of a quantized element's block.
    public float scale(int row, int column) {
        return (float) fromHalf(blockAt(row, column));
    }

    /// The minimum of a Q4_1 element's block.
    public float minimum(int row, int column) {
        return (float) fromHalf(blockAt(row, column) + 2);
    }

    public WeightRows whole() {
        return shard(IntStream.range(0, rows).toArray(), 0, columns);
    }

    public WeightRows shard(int[] rows, int columnFrom, int columnTo) {
        return new WeightRows("test." + type, data, type, columns, rows, columnFrom, columnTo);
    }

    /// Half to even, in integers.
    public static short toBf16(float value) {
        int bits = Float.floatToIntBits(value);
        int kept = bits >>> 16;
        int rest = bits & 0xFFFF;
        boolean up = rest > 0x8000 || (rest == 0x8000 && (kept & 1) == 1);
        return (short) (up ? kept + 1 : kept);
    }

    private long blockAt(int row, int column) {
        return row * type.rowBytes(columns)
                + (long) (column / type.blockSize()) * type.blockBytes();
    }

    private double fromHalf(long at) {
        return Float.float16ToFloat(data.get(SHORT, at));
    }

    private static short half(double value) {
        return Float.floatToFloat16((float) value);
    }

    private static void fillBytes(MemorySegment target, Random random) {
        var bytes = new byte[(int) target.byteSize()];
        random.nextBytes(bytes);
        target.copyFrom(MemorySegment.ofArray(bytes));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.CodeValues;
import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;

/// A matrix as a checkpoint stores it, with random contents, and the value of each element.
///
/// Rows are padded to whole blocks, so that they are longer than `columns` where those are not
/// whole blocks.
public record StoredMatrix(TensorType type, int rows, int columns, MemorySegment data) {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private static final float[] E2M1 = {
        0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6
    };

    public static StoredMatrix random(TensorType type, int rows, int columns, long seed) {
        return filled(type, rows, columns, new Random(seed));
    }

    /// Returns a matrix whose bytes, other than the scales of blocks, are `code`.
    public static StoredMatrix ofBytes(TensorType type, int rows, int columns, int code) {
        var random =
                new Random(1) {
                    @Override
                    public void nextBytes(byte[] bytes) {
                        Arrays.fill(bytes, (byte) code);
                    }
                };
        return filled(type, rows, columns, random);
    }

    private static StoredMatrix filled(TensorType type, int rows, int columns, Random random) {
        MemorySegment data =
                MemorySegment.ofArray(new byte[(int) (rows * rowBytes(type, columns))]);
        for (long at = 0; at < data.byteSize(); at += type.blockBytes()) {
            fill(type, data.asSlice(at, type.blockBytes()), random);
        }
        return new StoredMatrix(type, rows, columns, data);
    }

    /// Fills a block with elements about as large as those of a standard normal distribution.
    private static void fill(TensorType type, MemorySegment block, Random random) {
        fillBytes(block, random);
        switch (type) {
            case F32 -> block.set(FLOAT, 0, (float) random.nextGaussian());
            case F16 -> setHalf(block, 0, random.nextGaussian());
            case BF16 -> block.set(SHORT, 0, Rounding.toBf16((float) random.nextGaussian()));
            case Q8_0, IQ4_NL -> setHalf(block, 0, random.nextGaussian() / 64);
            case MXFP4 -> block.set(ValueLayout.JAVA_BYTE, 0, (byte) (121 + random.nextInt(6)));
            case IQ4_XS -> setHalf(block, 0, random.nextGaussian() / 2048);
            case IQ1_S -> setHalf(block, 0, random.nextGaussian() / 8);
            case IQ1_M -> {
                // Four bits of d in the upper ones of each of four words.
                short d = Float.floatToFloat16((float) (random.nextGaussian() / 8));
                for (int i = 0; i < 4; i++) {
                    int word = block.get(SHORT, 48 + 2 * i) & 0x0FFF;
                    int bits = (d >> (4 * i)) & 15;
                    block.set(SHORT, 48 + 2 * i, (short) (word | (bits << 12)));
                }
            }
            case IQ2_XXS, IQ2_XS, IQ2_S -> setHalf(block, 0, random.nextGaussian() / 64);
            case IQ3_XXS -> setHalf(block, 0, random.nextGaussian() / 128);
            case IQ3_S -> setHalf(block, 0, random.nextGaussian() / 128);
            case TQ1_0 -> setHalf(block, 52, random.nextGaussian());
            case TQ2_0 -> setHalf(block, 64, random.nextGaussian());
            case Q4_0, Q5_0 -> setHalf(block, 0, random.nextGaussian() / 8);
            case Q4_1, Q5_1 -> {
                setHalf(block, 0, random.nextGaussian() / 8);
                setHalf(block, 2, random.nextGaussian());
            }
            case Q2_K -> {
                setHalf(block, 80, random.nextGaussian() / 16);
                setHalf(block, 82, random.nextGaussian() / 16);
            }
            case Q3_K -> setHalf(block, 108, random.nextGaussian() / 64);
            case Q4_K, Q5_K -> {
                setHalf(block, 0, random.nextGaussian() / 512);
                setHalf(block, 2, random.nextGaussian() / 64);
            }
            case Q6_K -> setHalf(block, 208, random.nextGaussian() / 1024);
            case Q4_OFFSET -> {
                setHalf(block, 0, random.nextGaussian() / 8);
                setHalf(block, 2, random.nextGaussian());
            }
            case Q4_ZERO, Q4_ZERO_32, Q4_ZERO_128 -> {
                setHalf(block, 0, random.nextGaussian() / 8);
                setHalf(block, 2, random.nextInt(17));
            }
            case Q8_OFFSET -> {
                setHalf(block, 0, random.nextGaussian() / 128);
                setHalf(block, 2, random.nextGaussian());
            }
            case Q8_ZERO, Q8_ZERO_32 -> {
                setHalf(block, 0, random.nextGaussian() / 128);
                setHalf(block, 2, random.nextInt(257));
            }
            case NF4, FP4 -> block.set(FLOAT, 0, (float) random.nextGaussian());
            case NVFP4 -> {
                float factor = (float) Math.scalb(1 + random.nextDouble(), -9);
                boolean divides = random.nextBoolean();
                block.set(FLOAT, 0, divides ? -1 / factor : factor);
                for (int i = Float.BYTES; i < Float.BYTES + 8; i++) {
                    block.set(ValueLayout.JAVA_BYTE, i, (byte) (0x60 + random.nextInt(24)));
                }
            }
            case E4M3 -> {
                block.set(FLOAT, 0, (float) (random.nextGaussian() / 128));
                for (int i = Float.BYTES; i < block.byteSize(); i++) {
                    byte code = block.get(ValueLayout.JAVA_BYTE, i);
                    if ((code & 0x7F) == 0x7F) { // a NaN
                        block.set(ValueLayout.JAVA_BYTE, i, (byte) (code - 1));
                    }
                }
            }
        }
    }

    /// Returns the element's exact value.
    public double at(int row, int column) {
        long at = blockAt(row, column);
        return switch (type) {
            case F32 -> data.get(FLOAT, at);
            case F16 -> Float.float16ToFloat(data.get(SHORT, at));
            case BF16 -> Float.intBitsToFloat(data.get(SHORT, at) << 16);
            case Q4_0,
                    Q4_1,
                    Q5_0,
                    Q5_1,
                    Q8_0,
                    IQ4_NL,
                    MXFP4,
                    Q2_K,
                    Q3_K,
                    Q4_K,
                    Q5_K,
                    Q6_K,
                    IQ4_XS,
                    IQ1_S,
                    IQ1_M,
                    IQ2_XXS,
                    IQ2_XS,
                    IQ2_S,
                    IQ3_XXS,
                    IQ3_S,
                    TQ1_0,
                    TQ2_0,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32 ->
                    element(row, column).value();
            case NF4, FP4 -> {
                MemorySegment block = data.asSlice(at, type.blockBytes());
                int i = column % type.blockSize();
                int code = block.get(ValueLayout.JAVA_BYTE, 4 + i / 2) >> (i % 2 * 4) & 15;
                float[] values =
                        type == TensorType.NF4 ? CodeValues.normal4() : CodeValues.float4();
                float weight = values[code] * block.get(FLOAT, 0);
                yield Float.intBitsToFloat(Rounding.toBf16(weight) << 16);
            }
            case NVFP4 -> {
                MemorySegment block = data.asSlice(at, type.blockBytes());
                int i = column % type.blockSize();
                float scale = (float) e4m3(block.get(ValueLayout.JAVA_BYTE, Float.BYTES + i / 16));
                float factor = block.get(FLOAT, 0);
                int code = block.get(ValueLayout.JAVA_BYTE, 12 + i / 2) >> (i % 2 * 4) & 15;
                float weight = (factor < 0 ? scale / -factor : scale * factor) * E2M1[code];
                yield Float.intBitsToFloat(Rounding.toBf16(weight) << 16);
            }
            case E4M3 -> {
                MemorySegment block = data.asSlice(at, type.blockBytes());
                byte code =
                        block.get(ValueLayout.JAVA_BYTE, Float.BYTES + column % type.blockSize());
                float weight = (float) e4m3(code) * block.get(FLOAT, 0);
                yield Float.intBitsToFloat(Rounding.toBf16(weight) << 16);
            }
        };
    }

    /// Returns the value of a float of 8 bits: sign, 4 bits of exponent, 3 of mantissa.
    private static double e4m3(byte code) {
        int exponent = code >> 3 & 15;
        int mantissa = code & 7;
        double magnitude =
                exponent == 0
                        ? Math.scalb((double) mantissa, -9)
                        : Math.scalb((double) (8 + mantissa), exponent - 10);
        return (code & 0x7F) == 0x7F ? Double.NaN : code < 0 ? -magnitude : magnitude;
    }

    /// Returns the parts of a quantized element.
    public StoredElement element(int row, int column) {
        MemorySegment block = data.asSlice(blockAt(row, column), type.blockBytes());
        return StoredElement.of(type, block, column % type.blockSize());
    }

    public WeightRows whole() {
        return shard(IntStream.range(0, rows).toArray(), 0, columns);
    }

    public WeightRows shard(int[] rows, int columnFrom, int columnTo) {
        return new WeightRows(
                "test." + type, data, type, stored(type, columns), rows, columnFrom, columnTo);
    }

    private long blockAt(int row, int column) {
        return row * rowBytes(type, columns)
                + (long) (column / type.blockSize()) * type.blockBytes();
    }

    private static long rowBytes(TensorType type, int columns) {
        return type.rowBytes(stored(type, columns));
    }

    private static int stored(TensorType type, int columns) {
        return Math.ceilDiv(columns, type.blockSize()) * type.blockSize();
    }

    private static void setHalf(MemorySegment block, int at, double value) {
        block.set(SHORT, at, Float.floatToFloat16((float) value));
    }

    private static void fillBytes(MemorySegment target, Random random) {
        byte[] bytes = new byte[(int) target.byteSize()];
        random.nextBytes(bytes);
        target.copyFrom(MemorySegment.ofArray(bytes));
    }
}

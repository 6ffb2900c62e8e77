// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// A decoder of matrices that are small, such as heads of scores, in GGUF types that files of
/// rerankers have. The blocks are those of llama.cpp.
final class BlockValues {
    /// The values of a block.
    @FunctionalInterface
    private interface Block {
        void read(byte[] bytes, float[] values);
    }

    private BlockValues() {}

    /// Returns all values, row after row; empty for other types and for matrices with a decoder.
    static Optional<float[]> of(WeightMatrix matrix) {
        return matrix.decoder().isPresent()
                ? Optional.empty()
                : block(matrix.type()).map(block -> values(matrix, block));
    }

    private static Optional<Block> block(TensorType type) {
        return switch (type) {
            case Q4_0 -> Optional.of(BlockValues::readQ40);
            case Q8_0 -> Optional.of(BlockValues::readQ80);
            case Q4_K -> Optional.of((bytes, values) -> readScaled(bytes, values, 16, false));
            case Q5_K -> Optional.of((bytes, values) -> readScaled(bytes, values, 48, true));
            case Q6_K -> Optional.of(BlockValues::readQ6K);
            default -> Optional.empty();
        };
    }

    private static float[] values(WeightMatrix matrix, Block block) {
        int size = matrix.type().blockSize();
        byte[] bytes = new byte[matrix.type().blockBytes()];
        float[] values = new float[Math.multiplyExact(matrix.rows(), matrix.columns())];
        float[] own = new float[size];
        for (int i = 0; i < values.length / size; i++) {
            matrix.data().asSlice((long) i * bytes.length, bytes.length).asByteBuffer().get(bytes);
            block.read(bytes, own);
            System.arraycopy(own, 0, values, i * size, size);
        }
        return values;
    }

    private static float half(byte[] bytes, int at) {
        return Float.float16ToFloat((short) ((bytes[at] & 255) | (bytes[at + 1] << 8)));
    }

    private static int low(byte value) {
        return value & 15;
    }

    private static int high(byte value) {
        return (value & 255) >> 4;
    }

    /// A scale, then 16 bytes of the first and the last 16 values.
    private static void readQ40(byte[] bytes, float[] values) {
        float scale = half(bytes, 0);
        for (int i = 0; i < 16; i++) {
            values[i] = scale * (low(bytes[2 + i]) - 8);
            values[16 + i] = scale * (high(bytes[2 + i]) - 8);
        }
    }

    /// A scale, then 32 signed bytes.
    private static void readQ80(byte[] bytes, float[] values) {
        float scale = half(bytes, 0);
        for (int i = 0; i < 32; i++) {
            values[i] = scale * bytes[2 + i];
        }
    }

    /// Q4_K and Q5_K: two scales of scales and minima, 12 bytes of 8 scales and 8 minima of 6 bits,
    /// fifth bits if there are any, and nibbles of two sub-blocks of 32 in each 32 bytes.
    private static void readScaled(byte[] bytes, float[] values, int nibbles, boolean fifth) {
        float scale = half(bytes, 0);
        float minimum = half(bytes, 2);
        for (int part = 0; part < 8; part++) {
            float factor = scale * six(bytes, part, 0);
            float less = minimum * six(bytes, part, 4);
            for (int i = 0; i < 32; i++) {
                byte pair = bytes[nibbles + part / 2 * 32 + i];
                int code = part % 2 == 0 ? low(pair) : high(pair);
                code += fifth ? ((bytes[16 + i] >> part) & 1) << 4 : 0;
                values[part * 32 + i] = factor * code - less;
            }
        }
    }

    /// Returns a scale of Q4_K and Q5_K, or a minimum.
    ///
    /// @param from 0 for the scales, 4 for the minima
    private static int six(byte[] bytes, int part, int from) {
        int scales = 4;
        if (part < 4) {
            return bytes[scales + from + part] & 63;
        }
        byte pair = bytes[scales + 4 + part];
        int bits = (bytes[scales + from + part - 4] & 255) >> 6;
        return (from == 0 ? low(pair) : high(pair)) | (bits << 4);
    }

    /// 128 bytes of four low bits, 64 of two high ones, 16 signed scales, and the scale of those.
    private static void readQ6K(byte[] bytes, float[] values) {
        float scale = half(bytes, 208);
        for (int i = 0; i < values.length; i++) {
            int half = i / 128;
            int within = i % 128;
            int quarter = within / 32;
            int column = within % 32;
            byte pair = bytes[half * 64 + quarter % 2 * 32 + column];
            int code = quarter < 2 ? low(pair) : high(pair);
            int upper = (bytes[128 + half * 32 + column] >> (2 * quarter)) & 3;
            values[i] = scale * bytes[192 + i / 16] * ((code | (upper << 4)) - 32);
        }
    }
}

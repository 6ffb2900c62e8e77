// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Locale;

/// Four-bit codes of bitsandbytes (Dettmers et al. 2023): `weight` holds the codes of the whole
/// matrix, two in a byte, the first in the upper half; `quant_map` their values, and `absmax` a
/// factor for each block of consecutive values. With double quantization `absmax` has codes of
/// `nested_quant_map`, with factors in `nested_absmax` and an offset.
record NormalFloat4() implements QuantizedFormat {
    private static final String STATE = ".weight.quant_state.bitsandbytes__";

    @Override
    public String marker() {
        return ".weight.absmax";
    }

    @Override
    public StoredTensor layer(LayerParts parts) {
        String kind = parts.has(STATE + "nf4") ? "nf4" : "fp4";
        StoredTensor weight = parts.take(".weight", "U8", "BF16", "F16", "F32");
        StoredTensor stateBytes = parts.take(STATE + kind, "U8");
        JsonObject state =
                JsonObject.parse(
                        stateBytes.file(), stateBytes.data().toArray(ValueLayout.JAVA_BYTE));
        List<Integer> shape = state.integers("shape");
        if (shape.size() != 2 || shape.get(0) < 1 || shape.get(1) < 1) {
            throw state.wrong("shape", shape, "two dimensions");
        }
        int rows = shape.get(0);
        int columns = shape.get(1);
        long values = (long) rows * columns;
        if (weight.data().byteSize() != (values + 1) / 2) {
            throw LayerParts.wrongShape(
                    weight, "%d bytes for %s".formatted((values + 1) / 2, shape));
        }
        float[] map = table(parts, ".weight.quant_map", 16);
        RowReader codes =
                (row, from, out) -> {
                    long first = (long) row * columns + from;
                    for (int i = 0; i < out.length; i++) {
                        byte pair = weight.data().get(ValueLayout.JAVA_BYTE, (first + i) / 2);
                        out[i] = map[(pair >> ((first + i) % 2 == 0 ? 4 : 0)) & 15];
                    }
                };
        int blockSize = state.requireInteger("blocksize");
        if (blockSize < 1) {
            throw state.wrong("blocksize", blockSize, "a positive number");
        }
        Factors factors = factors(parts, state, Math.ceilDiv(values, blockSize));
        RowReader scales =
                (row, from, out) -> {
                    long first = (long) row * columns + from;
                    for (int i = 0; i < out.length; i++) {
                        out[i] = factors.of((first + i) / blockSize);
                    }
                };
        QuantizedMatrix plain =
                QuantizedMatrix.scaled(
                        rows, columns, codes, scales, type(state), kind.toUpperCase(Locale.ROOT));
        return Nf4Matrix.typeOf(map)
                .map(type -> new Nf4Matrix(plain, type, weight.data()))
                .map(matrix -> Nf4Matrix.tensor(weight, matrix, blockSize))
                .orElseGet(() -> LayerParts.tensor(weight, plain));
    }

    private interface Factors {
        float of(long block);
    }

    private static Factors factors(LayerParts parts, JsonObject state, long blocks) {
        if (!parts.has(".weight.nested_absmax")) {
            FloatRows absmax = parts.floats(".weight.absmax", blocks);
            return absmax::at;
        }
        StoredTensor codes = parts.take(".weight.absmax", "U8");
        LayerParts.requireShape(codes, blocks);
        float[] map = table(parts, ".weight.nested_quant_map", 256);
        int size = state.requireInteger("nested_blocksize");
        FloatRows outer = parts.floats(".weight.nested_absmax", Math.ceilDiv(blocks, size));
        float offset = (float) state.requireNumber("nested_offset");
        return block -> {
            int code = Byte.toUnsignedInt(codes.data().get(ValueLayout.JAVA_BYTE, block));
            return map[code] * outer.at(block / size) + offset;
        };
    }

    private static float[] table(LayerParts parts, String suffix, int size) {
        StoredTensor tensor = parts.take(suffix, "F32");
        LayerParts.requireShape(tensor, size);
        return tensor.data()
                .toArray(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN));
    }

    private static TensorType type(JsonObject state) {
        String dtype = state.text("dtype").orElse("bfloat16");
        return QuantizationConfig.type(dtype)
                .orElseThrow(() -> state.wrong("dtype", dtype, "float32, float16 or bfloat16"));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// How compressed-tensors stores a quantized matrix: codes, and scales that multiply them.
public sealed interface CompressedLayout {

    /// One tensor of a stored matrix.
    ///
    /// @param suffix after the name without `.weight`
    record Part(String suffix, String dtype, List<Long> shape, long bytes) {}

    /// Returns the codes, the scales, and what else there is.
    List<Part> parts(WeightMatrix matrix);

    /// Returns what `quantization_config` calls the layout.
    String format();

    /// Returns the columns of a row that share a scale.
    int groupSize(WeightMatrix matrix);

    /// Describes the weights, and the activations where the format quantizes them.
    void describe(ObjectNode group);

    /// Returns whether each matrix has a scale of its inputs.
    default boolean hasFixedInputs() {
        return false;
    }

    /// Returns the type of the scales of a matrix.
    TensorType scaleType(WeightMatrix matrix);

    /// Codes in words of 32 bits with an f16 scale for each group of columns.
    ///
    /// @param bits of a code, 4 or 8
    /// @param size columns of a group
    /// @param zeroPoints whether each group has a zero point; else codes are symmetric
    record Groups(int bits, int size, boolean zeroPoints) implements CompressedLayout {
        /// Sizes are multiples of it.
        public static final int SMALLEST = 32;

        /// Creates the layout of symmetric codes.
        public Groups(int bits, int size) {
            this(bits, size, false);
        }

        public Groups {
            if ((bits != 4 && bits != 8) || size < SMALLEST || size % SMALLEST != 0) {
                throw new IllegalArgumentException(
                        "%d bits in groups of %d columns: 4 or 8 in multiples of %d"
                                .formatted(bits, size, SMALLEST));
            }
        }

        @Override
        public List<Part> parts(WeightMatrix matrix) {
            long rows = matrix.rows();
            long words = (long) matrix.columns() * bits / Integer.SIZE;
            long scales = matrix.columns() / size;
            List<Part> parts = new ArrayList<>();
            parts.add(new Part(".weight_packed", "I32", List.of(rows, words), 4 * rows * words));
            parts.add(new Part(".weight_scale", "F16", List.of(rows, scales), 2 * rows * scales));
            if (zeroPoints) {
                long zeros = Math.ceilDiv(rows * bits, Integer.SIZE);
                parts.add(
                        new Part(
                                ".weight_zero_point",
                                "I32",
                                List.of(zeros, scales),
                                4 * zeros * scales));
            }
            parts.add(new Part(".weight_shape", "I64", List.of(2L), 16));
            return parts;
        }

        /// Returns zero points as a file has them: those of the rows of a word one after the other,
        /// from its lowest bits on.
        ///
        /// @param zeros one of each group, row by row
        public byte[] packedZeros(byte[] zeros, WeightMatrix matrix) {
            int groups = matrix.columns() / size;
            int rowsOfWord = Integer.SIZE / bits;
            int words = Math.ceilDiv(matrix.rows(), rowsOfWord);
            ByteBuffer packed =
                    ByteBuffer.allocate(Math.multiplyExact(words * Integer.BYTES, groups))
                            .order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < zeros.length; i++) {
                int row = i / groups;
                int at = Integer.BYTES * (row / rowsOfWord * groups + i % groups);
                int code = Byte.toUnsignedInt(zeros[i]) << (row % rowsOfWord * bits);
                packed.putInt(at, packed.getInt(at) | code);
            }
            return packed.array();
        }

        @Override
        public String format() {
            return "pack-quantized";
        }

        @Override
        public int groupSize(WeightMatrix matrix) {
            return size;
        }

        @Override
        public void describe(ObjectNode group) {
            weights(group, bits, "int", "group")
                    .put("group_size", size)
                    .put("symmetric", !zeroPoints);
        }

        @Override
        public TensorType scaleType(WeightMatrix matrix) {
            return TensorType.F16;
        }

        @Override
        public String toString() {
            return "int%d in groups of %d%s"
                    .formatted(bits, size, zeroPoints ? " with zero points" : "");
        }
    }

    /// Symmetric codes of 8 bits with an f16 scale for each row; activations are rounded to 8 bits
    /// as they come, with a scale for each token.
    record Int8Rows() implements CompressedLayout {
        @Override
        public List<Part> parts(WeightMatrix matrix) {
            return rows(matrix, "I8", scaleType(matrix));
        }

        @Override
        public String format() {
            return "int-quantized";
        }

        @Override
        public int groupSize(WeightMatrix matrix) {
            return matrix.columns();
        }

        @Override
        public void describe(ObjectNode group) {
            weights(group, 8, "int", "channel");
            activations(group, "int");
        }

        @Override
        public TensorType scaleType(WeightMatrix matrix) {
            return TensorType.F16;
        }

        @Override
        public String toString() {
            return "int8 with a scale for each row";
        }
    }

    /// FP8 in E4M3 with a scale for each row in the type of the matrix; activations are rounded to
    /// it as they come, with a scale for each token, or with one for each matrix that is fixed.
    ///
    /// @param fixedInputs whether each matrix has the scale of its inputs
    record Fp8(boolean fixedInputs) implements CompressedLayout {
        public Fp8() {
            this(false);
        }

        @Override
        public boolean hasFixedInputs() {
            return fixedInputs;
        }

        @Override
        public List<Part> parts(WeightMatrix matrix) {
            TensorType type = scaleType(matrix);
            List<Part> parts = new ArrayList<>(rows(matrix, "F8_E4M3", type));
            if (fixedInputs) {
                parts.add(new Part(".input_scale", type.name(), List.of(1L), type.blockBytes()));
            }
            return parts;
        }

        @Override
        public String format() {
            return "float-quantized";
        }

        @Override
        public int groupSize(WeightMatrix matrix) {
            return matrix.columns();
        }

        @Override
        public void describe(ObjectNode group) {
            weights(group, 8, "float", "channel");
            if (fixedInputs) {
                fixedFloats(group.putObject("input_activations"));
            } else {
                activations(group, "float");
            }
        }

        @Override
        public TensorType scaleType(WeightMatrix matrix) {
            return matrix.type().isQuantized() ? TensorType.BF16 : matrix.type();
        }

        @Override
        public String toString() {
            return "fp8 with a scale for each row"
                    + (fixedInputs ? " and a fixed one for inputs" : "");
        }
    }

    /// Floats of 4 bits, E2M1, with a power of two for each 32 columns.
    record Mxfp4() implements CompressedLayout {
        private static final int GROUP = 32;

        @Override
        public List<Part> parts(WeightMatrix matrix) {
            long rows = matrix.rows();
            long bytes = matrix.columns() / 2;
            long scales = matrix.columns() / GROUP;
            return List.of(
                    new Part(".weight_packed", "U8", List.of(rows, bytes), rows * bytes),
                    new Part(".weight_scale", "U8", List.of(rows, scales), rows * scales));
        }

        @Override
        public String format() {
            return "mxfp4-pack-quantized";
        }

        @Override
        public int groupSize(WeightMatrix matrix) {
            return GROUP;
        }

        @Override
        public void describe(ObjectNode group) {
            weights(group, 4, "float", "group")
                    .put("group_size", GROUP)
                    .put("scale_dtype", "torch.uint8")
                    .put("zp_dtype", "torch.uint8");
        }

        @Override
        public TensorType scaleType(WeightMatrix matrix) {
            throw new IllegalStateException("scales of MXFP4 are powers of two");
        }

        @Override
        public String toString() {
            return "mxfp4";
        }
    }

    private static List<Part> rows(WeightMatrix matrix, String codes, TensorType scales) {
        long rows = matrix.rows();
        long columns = matrix.columns();
        return List.of(
                new Part(".weight", codes, List.of(rows, columns), rows * columns),
                new Part(
                        ".weight_scale",
                        scales.name(),
                        List.of(rows, 1L),
                        rows * scales.blockBytes()));
    }

    private static ObjectNode weights(ObjectNode group, int bits, String type, String strategy) {
        return group.putObject("weights")
                .put("num_bits", bits)
                .put("type", type)
                .put("symmetric", true)
                .put("strategy", strategy);
    }

    private static void activations(ObjectNode group, String type) {
        group.putObject("input_activations")
                .put("num_bits", 8)
                .put("type", type)
                .put("symmetric", true)
                .put("strategy", "token")
                .put("dynamic", true);
    }

    /// Describes values of FP8 with one scale that is fixed.
    static void fixedFloats(ObjectNode values) {
        values.put("num_bits", 8)
                .put("type", "float")
                .put("symmetric", true)
                .put("strategy", "tensor")
                .put("dynamic", false);
    }
}

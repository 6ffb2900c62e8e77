// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.stream.IntStream;

/// The tensor types of GGUF by their number, the unsupported ones with their size, so that a file
/// that uses one can still be listed and its tokenizer used.
record GgufTensorType(String name, int blockSize, int blockBytes, Optional<TensorType> usable) {

    static Optional<GgufTensorType> of(int number) {
        return Optional.ofNullable(
                switch (number) {
                    case 0 -> usable(TensorType.F32);
                    case 1 -> usable(TensorType.F16);
                    case 2 -> usable(TensorType.Q4_0);
                    case 3 -> usable(TensorType.Q4_1);
                    case 6 -> usable(TensorType.Q5_0);
                    case 7 -> usable(TensorType.Q5_1);
                    case 8 -> usable(TensorType.Q8_0);
                    case 9 -> listed("Q8_1", 32, 36);
                    case 10 -> usable(TensorType.Q2_K);
                    case 11 -> usable(TensorType.Q3_K);
                    case 12 -> usable(TensorType.Q4_K);
                    case 13 -> usable(TensorType.Q5_K);
                    case 14 -> usable(TensorType.Q6_K);
                    case 15 -> listed("Q8_K", 256, 292);
                    case 16 -> listed("IQ2_XXS", 256, 66);
                    case 17 -> listed("IQ2_XS", 256, 74);
                    case 18 -> listed("IQ3_XXS", 256, 98);
                    case 19 -> listed("IQ1_S", 256, 50);
                    case 20 -> usable(TensorType.IQ4_NL);
                    case 21 -> listed("IQ3_S", 256, 110);
                    case 22 -> listed("IQ2_S", 256, 82);
                    case 23 -> listed("IQ4_XS", 256, 136);
                    case 24 -> listed("I8", 1, 1);
                    case 25 -> listed("I16", 1, 2);
                    case 26 -> listed("I32", 1, 4);
                    case 27 -> listed("I64", 1, 8);
                    case 28 -> listed("F64", 1, 8);
                    case 29 -> listed("IQ1_M", 256, 56);
                    case 30 -> usable(TensorType.BF16);
                    case 34 -> listed("TQ1_0", 256, 54);
                    case 35 -> listed("TQ2_0", 256, 66);
                    case 39 -> listed("MXFP4", 32, 17);
                    default -> null;
                });
    }

    /// Returns the number of a type.
    static int numberOf(TensorType type) {
        return IntStream.range(0, 64)
                .filter(
                        number ->
                                of(number)
                                        .flatMap(GgufTensorType::usable)
                                        .equals(Optional.of(type)))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(type + " is no type of GGUF"));
    }

    private static GgufTensorType usable(TensorType type) {
        return new GgufTensorType(
                type.name(), type.blockSize(), type.blockBytes(), Optional.of(type));
    }

    private static GgufTensorType listed(String name, int blockSize, int blockBytes) {
        return new GgufTensorType(name, blockSize, blockBytes, Optional.empty());
    }
}

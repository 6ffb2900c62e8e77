// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// The tensor types of GGUF by their number, the unsupported ones with their size, so that a file
/// that uses one can still be listed and its tokenizer used.
///
/// @param usable the type of the weights
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
                    case 16 -> usable(TensorType.IQ2_XXS);
                    case 17 -> usable(TensorType.IQ2_XS);
                    case 18 -> usable(TensorType.IQ3_XXS);
                    case 19 -> usable(TensorType.IQ1_S);
                    case 20 -> usable(TensorType.IQ4_NL);
                    case 21 -> usable(TensorType.IQ3_S);
                    case 22 -> usable(TensorType.IQ2_S);
                    case 23 -> usable(TensorType.IQ4_XS);
                    case 24 -> listed("I8", 1, 1);
                    case 25 -> listed("I16", 1, 2);
                    case 26 -> listed("I32", 1, 4);
                    case 27 -> listed("I64", 1, 8);
                    case 28 -> listed("F64", 1, 8);
                    case 29 -> usable(TensorType.IQ1_M);
                    case 30 -> usable(TensorType.BF16);
                    case 34 -> usable(TensorType.TQ1_0);
                    case 35 -> usable(TensorType.TQ2_0);
                    case 39 -> usable(TensorType.MXFP4);
                    default -> null;
                });
    }

    /// Returns the number of the type that has this name in GGUF.
    static int numberOf(String name) {
        return IntStream.range(0, 64)
                .filter(number -> of(number).map(GgufTensorType::name).equals(Optional.of(name)))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(name + " is no type of GGUF"));
    }

    /// Returns the names of the types that can be computed with, for messages.
    static List<String> supported() {
        return IntStream.range(0, 64)
                .mapToObj(GgufTensorType::of)
                .flatMap(Optional::stream)
                .filter(type -> type.usable().isPresent())
                .map(GgufTensorType::name)
                .toList();
    }

    private static GgufTensorType usable(TensorType type) {
        return new GgufTensorType(
                type.name(), type.blockSize(), type.blockBytes(), Optional.of(type));
    }

    private static GgufTensorType listed(String name, int blockSize, int blockBytes) {
        return new GgufTensorType(name, blockSize, blockBytes, Optional.empty());
    }
}

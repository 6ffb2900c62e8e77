// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.TensorType;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/// What the matrices of a model become; the numbers are GGUF's of a file of that type.
public enum Target {
    /// Matrices keep the types that they have.
    NONE,
    F16(TensorType.F16, 1),
    BF16(TensorType.BF16, 32),
    Q4_0(TensorType.Q4_0, 2),
    Q4_1(TensorType.Q4_1, 3),
    Q5_0(TensorType.Q5_0, 8),
    Q5_1(TensorType.Q5_1, 9),
    Q8_0(TensorType.Q8_0, 7),
    Q2_K(TensorType.Q2_K, 10),
    Q3_K(TensorType.Q3_K, 11),
    Q4_K(TensorType.Q4_K, 14),
    Q5_K(TensorType.Q5_K, 16),
    Q6_K(TensorType.Q6_K, 18);

    private final Optional<TensorType> type;
    private final int fileType;

    Target() {
        this.type = Optional.empty();
        this.fileType = 0;
    }

    Target(TensorType type, int fileType) {
        this.type = Optional.of(type);
        this.fileType = fileType;
    }

    /// Returns the target of a name such as `q4_k`.
    public static Optional<Target> of(String word) {
        return Arrays.stream(values()).filter(each -> each.word().equals(word)).findFirst();
    }

    /// Returns all names, separated by bars.
    public static String words() {
        return Arrays.stream(values()).map(Target::word).collect(Collectors.joining("|"));
    }

    /// Returns GGUF's number for a file.
    ///
    /// @param source the type of most matrices of the source
    int fileType(TensorType source) {
        return this != NONE
                ? fileType
                : switch (source) {
                    case F16 -> F16.fileType;
                    case BF16 -> BF16.fileType;
                    default -> 0;
                };
    }

    /// Returns the type of a matrix whose rows have so many columns: rows that are not whole blocks
    /// of 256 get the next larger type with blocks of 32. Empty if it keeps its type.
    Optional<TensorType> typeOf(int columns) {
        return type.map(
                own ->
                        columns % own.blockSize() == 0
                                ? own
                                : switch (this) {
                                    case Q2_K, Q3_K -> TensorType.Q4_0;
                                    case Q4_K -> TensorType.Q5_0;
                                    case Q5_K -> TensorType.Q5_1;
                                    case Q6_K -> TensorType.Q8_0;
                                    case NONE, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 -> own;
                                });
    }

    /// Returns the name as settings have it.
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}

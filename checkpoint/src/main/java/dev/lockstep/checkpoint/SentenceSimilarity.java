// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Arrays;
import java.util.Optional;

/// How close two vectors are: the larger, the closer.
public enum SentenceSimilarity {
    COSINE,
    DOT,
    /// The negative distance.
    EUCLIDEAN,
    /// The negative sum of the differences.
    MANHATTAN;

    static Optional<SentenceSimilarity> of(String name) {
        return Arrays.stream(values())
                .filter(each -> each.name().equalsIgnoreCase(name))
                .findFirst();
    }

    /// Compares two vectors of equal length.
    public double of(float[] first, float[] second) {
        double product = 0;
        double squares = 0;
        double otherSquares = 0;
        double squaredDifferences = 0;
        double differences = 0;
        for (int i = 0; i < first.length; i++) {
            double difference = (double) first[i] - second[i];
            product += (double) first[i] * second[i];
            squares += (double) first[i] * first[i];
            otherSquares += (double) second[i] * second[i];
            squaredDifferences += difference * difference;
            differences += Math.abs(difference);
        }
        return switch (this) {
            case COSINE -> product == 0 ? 0 : product / Math.sqrt(squares * otherSquares);
            case DOT -> product;
            case EUCLIDEAN -> -Math.sqrt(squaredDifferences);
            case MANHATTAN -> -differences;
        };
    }
}

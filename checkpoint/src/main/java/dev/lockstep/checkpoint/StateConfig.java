// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// What layers keep of the tokens before instead of keys and values: a state of fixed size for each
/// sequence.
public sealed interface StateConfig {

    /// Inputs that a causal convolution of the layer sums, the token's own included.
    int taps();

    /// Gated delta net (Yang, Kautz and Hatamizadeh 2025): a matrix for each value head.
    ///
    /// @param valueHeads a multiple of the key heads
    /// @param inTurn whether value heads read the key heads in turn; else each key head serves
    ///   consecutive ones
    record GatedDelta(
            int keyHeads, int valueHeads, int keySize, int valueSize, int taps, boolean inTurn)
            implements StateConfig {

        /// Creates heads of which each key head serves consecutive ones.
        public GatedDelta(int keyHeads, int valueHeads, int keySize, int valueSize, int taps) {
            this(keyHeads, valueHeads, keySize, valueSize, taps, false);
        }

        public GatedDelta {
            ModelConfig.requireBetween("linear key heads", keyHeads, 1, 1 << 16);
            ModelConfig.requireBetween("linear value heads", valueHeads, 1, 1 << 16);
            ModelConfig.requireBetween("linear key head size", keySize, 1, 1 << 12);
            ModelConfig.requireBetween("linear value head size", valueSize, 1, 1 << 12);
            requireTaps(taps);
            if (valueHeads % keyHeads != 0) {
                throw new IllegalArgumentException(
                        "%d linear value heads do not divide into %d key heads"
                                .formatted(valueHeads, keyHeads));
            }
        }

        /// Returns the consecutive value heads that read one key head.
        public int group() {
            return inTurn ? 1 : valueHeads / keyHeads;
        }
    }

    /// A gated short convolution: the last inputs of each channel.
    record ShortConvolution(int channels, int taps) implements StateConfig {
        public ShortConvolution {
            ModelConfig.requireBetween("convolution channels", channels, 1, 1 << 20);
            requireTaps(taps);
        }
    }

    /// Mamba-2 (Dao and Gu 2024): a matrix for each head.
    ///
    /// @param groups of consecutive heads that share B and C
    /// @param stateSize columns of B and of C
    /// @param rotary whether attention rotates positions
    /// @param normed whether the gated output has a norm
    /// @param parallel present if every layer has attention too
    record Mamba2(
            int heads,
            int headSize,
            int groups,
            int stateSize,
            int taps,
            double leastStep,
            double mostStep,
            boolean rotary,
            boolean normed,
            Optional<ParallelFactors> parallel)
            implements StateConfig {
        public Mamba2 {
            ModelConfig.requireBetween("Mamba heads", heads, 1, 1 << 16);
            ModelConfig.requireBetween("Mamba head size", headSize, 1, 1 << 12);
            ModelConfig.requireBetween("Mamba groups", groups, 1, heads);
            ModelConfig.requireBetween("Mamba state size", stateSize, 1, 1 << 12);
            requireTaps(taps);
            if (heads % groups != 0) {
                throw new IllegalArgumentException(
                        "%d Mamba heads do not divide into %d groups".formatted(heads, groups));
            }
            if (!(leastStep >= 0 && leastStep <= mostStep)) {
                throw new IllegalArgumentException(
                        "Mamba steps between %s and %s".formatted(leastStep, mostStep));
            }
        }

        /// Returns the heads of a group.
        public int group() {
            return heads / groups;
        }

        /// Returns the columns of the values of all heads.
        public int valueColumns() {
            return heads * headSize;
        }

        /// Returns the channels of the convolution: of values, B and C.
        public int channels() {
            return valueColumns() + 2 * groups * stateSize;
        }
    }

    private static void requireTaps(int taps) {
        ModelConfig.requireBetween("convolution kernel", taps, 1, 8);
    }
}

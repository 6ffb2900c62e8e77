// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.DType;

/// How to load a checkpoint; every `auto` is resolved.
///
/// @param compute F32 or BF16, for plain weights
/// @param kvType F32, F16, BF16, FP8 or I8, which is q8
/// @param blockSize tokens per KV block
/// @param maxPositions the maximum length of a sequence, prompt and output
/// @param progress called from time to time on the loading thread
public record LoadSettings(
        DType compute, DType kvType, int blockSize, int maxPositions, Progress progress) {

    /// Receives the progress of loading.
    @FunctionalInterface
    public interface Progress {
        void loaded(long bytes, long totalBytes);

        static Progress none() {
            return (bytes, totalBytes) -> {};
        }
    }
}

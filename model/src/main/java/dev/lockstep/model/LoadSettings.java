package dev.lockstep.model;

import dev.lockstep.kernels.DType;

/// How a checkpoint is to be loaded; every `auto` already resolved.
///
/// @param compute F32 or BF16, for plain weights
/// @param kvType F32, F16 or BF16
/// @param blockSize tokens a KV block holds
/// @param maxPositions positions a sequence may reach, prompt and output
/// @param progress told now and then, on the loading thread
public record LoadSettings(
        DType compute, DType kvType, int blockSize, int maxPositions, Progress progress) {

    /// Hears how far loading has come.
    @FunctionalInterface
    public interface Progress {
        void loaded(long bytes, long totalBytes);

        static Progress none() {
            return (bytes, totalBytes) -> {};
        }
    }
}

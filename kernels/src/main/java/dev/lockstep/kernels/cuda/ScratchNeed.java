// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// The bytes of scratch memory that an op needs for the largest step.
record ScratchNeed(CudaScratch memory, long bytes) {

    /// Returns the bytes that are not allocated yet.
    long missing() {
        return memory.bytes() >= bytes ? 0 : bytes;
    }

    void reserve() {
        memory.reserve(bytes);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// A GPU as the driver describes it; none of this needs a context.
///
/// @param ordinal its number among the devices that this process sees
/// @param uuid as `nvidia-smi` prints it, `GPU-…`
/// @param sharedBytes the most shared memory that one block may ask for
public record CudaDevice(
        int ordinal,
        String name,
        String uuid,
        int major,
        int minor,
        int multiprocessors,
        int sharedBytes,
        int l2Bytes,
        long memoryBytes) {

    /// Returns the compute capability, such as `9.0`.
    public String capability() {
        return major + "." + minor;
    }

    /// Returns the architecture that kernels are compiled for. From 9.0 on it is the one with the
    /// features of that very device, `sm_90a`.
    public String architecture() {
        return "sm_" + major + minor + (major >= 9 ? "a" : "");
    }
}

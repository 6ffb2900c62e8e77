// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// A call into CUDA that failed; the device can still be used.
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String function;
    private final int code;

    /// @param lastKernel what was launched last before it; empty when nothing was. An error of a
    ///   kernel is reported by a later call.
    CudaException(String function, int code, String name, String text, String lastKernel) {
        super(
                "%s failed: %s (%d)%s%s"
                        .formatted(
                                function,
                                name,
                                code,
                                text.isEmpty() ? "" : ", " + text,
                                lastKernel.isEmpty() ? "" : "; the last kernel was " + lastKernel));
        this.function = function;
        this.code = code;
    }

    public String function() {
        return function;
    }

    /// Returns the library's error number, of the driver unless the function is another library's.
    public int code() {
        return code;
    }
}

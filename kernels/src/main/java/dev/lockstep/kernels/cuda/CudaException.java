// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DeviceLostException;

/// A call into CUDA that failed.
///
/// After a sticky error every later call of this process fails too: the process has to end.
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String function;
    private final int code;
    private final boolean sticky;

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
        this.sticky = isSticky(code);
    }

    public String function() {
        return function;
    }

    /// Returns the library's error number, of the driver unless the function is another library's.
    public int code() {
        return code;
    }

    public boolean isSticky() {
        return sticky;
    }

    /// Returns what an op throws for this failure: a [DeviceLostException] if it is sticky.
    RuntimeException orLost() {
        if (!sticky) {
            return this;
        }
        var lost = new DeviceLostException(String.valueOf(getMessage()));
        lost.initCause(this);
        return lost;
    }

    /// Returns whether the driver's error number `code` leaves the context unusable.
    static boolean isSticky(int code) {
        return switch (code) {
            // Uncorrectable memory and link errors, a broken context.
            case 214, 220, 226, 709 -> true;
            // Illegal address, time-out, assertion, and what else a kernel dies of.
            case 700, 702, 710, 714, 715, 716, 717, 718, 719 -> true;
            case 999 -> true;
            default -> false;
        };
    }
}

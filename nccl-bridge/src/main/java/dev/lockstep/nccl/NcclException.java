// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// A call into NCCL that failed, or an error that a communicator reported later.
public final class NcclException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int code;

    NcclException(String function, int code, String text, String detail) {
        super(
                "%s failed: %s (%d)%s"
                        .formatted(function, text, code, detail.isEmpty() ? "" : ", " + detail));
        this.code = code;
    }

    /// Returns NCCL's result number.
    public int code() {
        return code;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;

/// The refusal of a file of packed weights: why it cannot be used, as the end of a sentence about
/// it.
final class PackedFileException extends IOException {
    private static final long serialVersionUID = 1;

    private final String reason;

    PackedFileException(String reason) {
        super(reason);
        this.reason = reason;
    }

    String reason() {
        return reason;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Thrown if this process can no longer use the device, such as after an illegal address: only a
/// new process can.
public final class DeviceLostException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public DeviceLostException(String message) {
        super(message);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DeviceLostException;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.jspecify.annotations.Nullable;

/// What the driver's calls on a device return: a failure is a [CudaException], or a
/// [DeviceLostException] where every later call of this process fails too. Threads may share it.
final class CudaErrors {
    private static final int SUCCESS = 0;
    private static final int NOT_READY = 600;

    private volatile @Nullable CudaKernel lastKernel;

    /// Notes the kernel that is launched: its own error is returned by a later call.
    void launched(CudaKernel kernel) {
        lastKernel = kernel;
    }

    void check(int code, String function) {
        if (code != SUCCESS) {
            throw failure(code, function);
        }
    }

    /// Returns whether what a call asked for has come; throws if it failed.
    boolean isReady(int code, String function) {
        if (code == NOT_READY) {
            return false;
        }
        check(code, function);
        return true;
    }

    private RuntimeException failure(int code, String function) {
        CudaKernel kernel = lastKernel;
        try (var text = new PointerPointer<BytePointer>(1)) {
            String name =
                    cudart.cuGetErrorName(code, text) == SUCCESS ? string(text) : "unknown error";
            String description = cudart.cuGetErrorString(code, text) == SUCCESS ? string(text) : "";
            var failure =
                    new CudaException(
                            function, code, name, description, kernel == null ? "" : kernel.name());
            if (!isSticky(code)) {
                return failure;
            }
            var lost = new DeviceLostException(String.valueOf(failure.getMessage()));
            lost.initCause(failure);
            return lost;
        }
    }

    /// Returns whether an error leaves the context unusable.
    private static boolean isSticky(int code) {
        return switch (code) {
            // Uncorrectable memory and link errors, a broken context.
            case 214, 220, 226, 709 -> true;
            // Illegal address, time-out, assertion, and what else a kernel dies of.
            case 700, 702, 710, 714, 715, 716, 717, 718, 719, 721 -> true;
            case 999 -> true;
            default -> false;
        };
    }

    private static String string(PointerPointer<BytePointer> text) {
        BytePointer string = text.get(BytePointer.class, 0);
        return string == null || string.isNull() ? "" : string.getString();
    }
}

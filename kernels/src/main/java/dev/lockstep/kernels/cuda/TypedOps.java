// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;

/// A kernel for F32 and one for activations; the same where these are F32.
final class TypedOps {
    private final DType activationType;
    private final CudaOp floats;
    private final CudaOp activations;

    private TypedOps(DType activationType, CudaOp floats, CudaOp activations) {
        this.activationType = activationType;
        this.floats = floats;
        this.activations = activations;
    }

    /// Loads a kernel whose element types are named by the macros `names`, all of the same type.
    static TypedOps load(CudaContext context, KernelDeclaration kernel, String... names) {
        DType type = context.activationType();
        CudaOp floats = op(context, kernel, DType.F32, names);
        return new TypedOps(
                type, floats, type == DType.F32 ? floats : op(context, kernel, type, names));
    }

    private static CudaOp op(
            CudaContext context, KernelDeclaration kernel, DType type, String... names) {
        String[] options = new String[names.length];
        for (int i = 0; i < names.length; i++) {
            options[i] = "-D%s=%s".formatted(names[i], type);
        }
        return context.programs().op(kernel, options);
    }

    /// Returns the kernel that computes in `type`; throws for any but F32 and that of activations.
    CudaOp of(String argument, DType type) {
        if (type == DType.F32) {
            return floats;
        }
        if (type == activationType) {
            return activations;
        }
        throw new IllegalArgumentException(
                "%s is %s, must be F32 or %s".formatted(argument, type, activationType));
    }

    /// Returns the kernel that moves elements of `type`: integers are moved as floats are.
    CudaOp copying(String argument, DType type) {
        return of(argument, type == DType.I32 ? DType.F32 : type);
    }
}

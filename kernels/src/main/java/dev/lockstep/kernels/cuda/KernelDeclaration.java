// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// A kernel of `src/main/cuda`: the file without its suffix, the name in it, and its parameters.
record KernelDeclaration(String file, String name, KernelStruct parameters) {

    /// Declares the kernel that has the name of its file.
    static KernelDeclaration of(String name, KernelStruct parameters) {
        return new KernelDeclaration(name, name, parameters);
    }
}

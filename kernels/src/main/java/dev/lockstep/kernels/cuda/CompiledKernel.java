// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

/// Machine code for one architecture, and what the compiler said. Nobody writes to the array.
public record CompiledKernel(byte[] image, String log) {}

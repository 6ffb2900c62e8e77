// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.model.TransientWeights;

/// The kernels of a whole model in a tool's process.
final class ToolKernels {
    private ToolKernels() {}

    /// Opens kernels that keep packed weights in half of the memory that is free, and say when a
    /// model has more. The other half is for pages of its files, and for what a tool computes.
    static Kernels open(int threads, Terminal terminal) {
        long bytes = HostMemory.availableBytes() / 2;
        CpuOptions options = CpuOptions.ofThreads(threads);
        return TransientWeights.kernels(
                CpuKernels.open(options),
                // Threads of the kept layers may spin meanwhile.
                () -> CpuKernels.open(options.withoutSpinning()),
                bytes,
                () ->
                        terminal.say(
                                "the model does not fit into %s, half of the free memory: the layers beyond are packed again for each text"
                                        .formatted(Terminal.bytes(bytes))));
    }
}

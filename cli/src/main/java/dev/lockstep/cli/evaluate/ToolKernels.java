// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.TransientWeights;
import java.util.function.Supplier;

/// The kernels of a whole model in a tool's process.
public final class ToolKernels {
    private ToolKernels() {}

    /// Opens kernels that keep packed weights in half of the memory that is free, and say when a
    /// model has more. The other half is for pages of its files, and for what a tool computes.
    ///
    /// @param opener opens kernels of one device's memory
    public static Kernels open(Supplier<Kernels> opener, Terminal terminal) {
        long bytes = HostMemory.availableBytes() / 2;
        return TransientWeights.kernels(
                opener,
                bytes,
                () ->
                        terminal.say(
                                "the model does not fit into %s, half of the free memory: the layers beyond are packed again for each text"
                                        .formatted(Terminal.bytes(bytes))));
    }
}

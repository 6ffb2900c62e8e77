// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.util.List;
import java.util.Optional;

/// The threads, CPUs and instruction set that a [CpuKernels] uses.
///
/// @param threads compute threads, the calling one included
/// @param cpus the CPU number that thread i is pinned to; empty pins no thread
/// @param instructionSet the one to use, or empty for the best available
/// @param spin whether threads spin within a step while they wait for each other; false where
///   runnable compute threads exceed the cores, since a spinning thread uses its peer's time slice
/// @param expandsLatents whether latent attention expands keys and values in prompts
public record CpuOptions(
        int threads,
        List<Integer> cpus,
        Optional<InstructionSet> instructionSet,
        boolean spin,
        boolean expandsLatents) {

    public CpuOptions {
        cpus = List.copyOf(cpus);
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException(
                    "threads is %d, must be 1 to 1024".formatted(threads));
        }
        if (!cpus.isEmpty() && cpus.size() != threads) {
            throw new IllegalArgumentException(
                    "%d CPUs to pin %d threads to".formatted(cpus.size(), threads));
        }
    }

    /// Returns options that spin, pin no thread and choose the best instruction set.
    public static CpuOptions ofThreads(int threads) {
        return new CpuOptions(threads, List.of(), Optional.empty(), true, false);
    }

    public CpuOptions with(InstructionSet set) {
        return new CpuOptions(threads, cpus, Optional.of(set), spin, expandsLatents);
    }

    public CpuOptions withoutSpinning() {
        return new CpuOptions(threads, cpus, instructionSet, false, expandsLatents);
    }

    public CpuOptions expandingLatents() {
        return new CpuOptions(threads, cpus, instructionSet, spin, true);
    }
}

package dev.lockstep.kernels.cpu;

import java.util.List;
import java.util.Optional;

/// How a [CpuKernels] uses the machine.
///
/// @param threads compute threads, the calling one included
/// @param cpus CPU numbers to pin thread i to; empty pins nobody
/// @param instructionSet the one to use, or empty for the best there is
/// @param spin whether threads spin within a step while they wait for each other; false where
///   runnable compute threads exceed the cores, since a spinner burns its partner's slice
public record CpuOptions(
        int threads, List<Integer> cpus, Optional<InstructionSet> instructionSet, boolean spin) {

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

    /// Spins, pins nobody, chooses the best instruction set.
    public static CpuOptions ofThreads(int threads) {
        return new CpuOptions(threads, List.of(), Optional.empty(), true);
    }

    public CpuOptions with(InstructionSet set) {
        return new CpuOptions(threads, cpus, Optional.of(set), spin);
    }

    public CpuOptions withoutSpinning() {
        return new CpuOptions(threads, cpus, instructionSet, false);
    }
}

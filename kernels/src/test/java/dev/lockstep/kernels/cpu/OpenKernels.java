// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.kernels.Kernels;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/// The opening of CPU kernels of one instruction set, which skips the test where this machine
/// cannot run them.
final class OpenKernels {
    private OpenKernels() {}

    /// Returns the instruction sets that this machine can run.
    static List<InstructionSet> runnable() {
        return Stream.of(InstructionSet.values())
                .filter(set -> CpuFeatures.current().missing(set).isEmpty())
                .filter(NativeLibrary::isBuilt)
                .toList();
    }

    static Kernels of(InstructionSet set, int threads) {
        Set<String> missing = CpuFeatures.current().missing(set);
        assumeTrue(missing.isEmpty(), () -> set.key() + " skipped: this CPU lacks " + missing);
        assumeTrue(
                NativeLibrary.isBuilt(set),
                () -> set.key() + " skipped: the build had no C++ compiler for it");
        return CpuKernels.open(CpuOptions.ofThreads(threads).with(set));
    }
}

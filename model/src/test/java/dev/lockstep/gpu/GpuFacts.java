// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Device;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.kernels.cuda.LibrarySearch;
import dev.lockstep.nccl.Nccl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Prints what CUDA is on this machine, a fact a line, as `lockstep doctor` finds it, and opens the
/// first device.
final class GpuFacts {
    /// As of every process of Lockstep that cannot work with what the machine has.
    static final int UNUSABLE = 78;

    static final String DEVICES = "devices";
    static final String NCCL = "NCCL";

    private static final Path KERNEL_MODULE = Path.of("/proc/driver/nvidia/version");

    private GpuFacts() {}

    public static void main(String[] arguments) throws IOException {
        try {
            print();
        } catch (CudaUnavailableException missing) {
            fact("missing", missing.missing());
            fact("remedy", missing.remedy());
            System.exit(UNUSABLE);
        }
    }

    private static void print() throws IOException {
        if (Files.isReadable(KERNEL_MODULE)) {
            fact("kernel module", Files.readAllLines(KERNEL_MODULE).getFirst());
        }
        LibrarySearch search = CudaUnderTest.search();
        CudaProbe probe = CudaProbe.run(search).withLibraries(search, false);
        probe.steps().forEach(step -> fact(step.what(), step.found()));
        fact(
                CudaLibrary.NCCL.soname(),
                search.find(CudaLibrary.NCCL).map(Path::toString).orElse("not found"));
        Optional<CudaUnavailableException> problem = probe.problem();
        if (problem.isPresent()) {
            throw problem.get();
        }
        fact(DEVICES, Integer.toString(probe.devices().size()));
        try (CudaKernels kernels = CudaUnderTest.open(DType.F32)) {
            Device device = kernels.device();
            device.versions().forEach(GpuFacts::fact);
            fact("free memory", "%d MiB".formatted(kernels.freeBytes() >> 20));
            if (search.find(CudaLibrary.NCCL).isPresent()) {
                fact(NCCL, Integer.toString(Nccl.version()));
            }
        }
    }

    private static void fact(String name, String value) {
        System.out.println(Line.of(Line.Kind.FACT, name, value));
    }
}

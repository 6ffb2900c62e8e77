// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import dev.lockstep.kernels.cpu.PackedOptions;
import dev.lockstep.kernels.cpu.PackedShard;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaOptions;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.LibrarySearch;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.ModelSource;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The device of a worker: chosen first, opened once the types are known that it computes in.
sealed interface WorkerDevice {
    Logger LOG = LogManager.getLogger(WorkerDevice.class);

    DeviceCapabilities capabilities();

    /// Returns whether decode steps are recorded.
    boolean records();

    /// Opens the device. [Rank] closes the kernels.
    Opened open(ComputeTypes types);

    /// An open device and how its rank meets the others.
    ///
    /// @param keepPacked keeps the packed weights for the next start, once the rank serves
    record Opened(Kernels kernels, Connector connector, Runnable keepPacked) {}

    /// The cores of this host.
    ///
    /// @param packed where packed weights are kept, by the compute type
    record Cpu(
            WorkerConfig config,
            InstructionSet set,
            Function<DType, Optional<PackedOptions>> packed)
            implements WorkerDevice {
        @Override
        public DeviceCapabilities capabilities() {
            return set.capabilities().expandingLatents(config.device().expandsLatents());
        }

        @Override
        public boolean records() {
            return false;
        }

        @Override
        public Opened open(ComputeTypes types) {
            int threads =
                    config.threads()
                            .orElse(
                                    config.cpus().isEmpty()
                                            ? HostCpus.ofProcess().count()
                                            : config.cpus().size());
            var options =
                    new CpuOptions(
                            threads,
                            config.cpus(),
                            Optional.of(set),
                            !config.oversubscribed(),
                            config.device().expandsLatents());
            CpuKernels kernels =
                    CpuKernels.open(
                            options, HostMemory::availableBytes, packed.apply(types.compute()));
            return new Opened(kernels, new HostConnector(config, kernels), kernels::keepPacked);
        }
    }

    /// A GPU of this host.
    ///
    /// @param cache the folder of compiled kernels and of Bytedeco's glue
    record Gpu(WorkerConfig config, LibrarySearch search, CudaDevice gpu, Path cache)
            implements WorkerDevice {
        @Override
        public DeviceCapabilities capabilities() {
            return DeviceCapabilities.ofCuda(gpu.major(), gpu.minor());
        }

        @Override
        public boolean records() {
            return config.device().graphs();
        }

        @Override
        public Opened open(ComputeTypes types) {
            var options =
                    new CudaOptions(
                            gpu.ordinal(),
                            types.compute(),
                            search,
                            cache,
                            config.tensorParallel() > 1);
            CudaKernels kernels = CudaKernels.open(options);
            return new Opened(kernels, new NcclConnector(config, kernels), () -> {});
        }

        GpuMemory memory(Kernels kernels, int vocabularySize) {
            return new GpuMemory(
                    kernels::freeBytes,
                    gpu.memoryBytes(),
                    config.device().memoryUtilization(),
                    GpuReserve.of(
                            config.device(),
                            config.maxNumSeqs(),
                            vocabularySize,
                            config.tensorParallel()));
        }
    }

    /// Chooses the device of a worker, in whose process the driver may be loaded.
    static WorkerDevice of(WorkerConfig config, ModelSource source, CacheFolders folders) {
        DeviceSettings settings = config.device();
        DeviceChoice choice =
                DeviceChoice.of(
                        settings,
                        1,
                        () -> {
                            LibrarySearch search = settings.search();
                            return CudaProbe.run(search)
                                    .withLibraries(search, config.tensorParallel() > 1);
                        });
        LOG.info("{}", choice.reason());
        return switch (choice) {
            case DeviceChoice.Cpu cpu ->
                    new Cpu(
                            config,
                            cpu.instructionSet(),
                            compute -> packed(config, source, folders.packed(), compute));
            case DeviceChoice.Gpus gpus ->
                    new Gpu(config, settings.search(), gpus.gpus().getFirst(), folders.cuda());
        };
    }

    private static Optional<PackedOptions> packed(
            WorkerConfig config, ModelSource source, Path folder, DType compute) {
        return access(config)
                .map(
                        access ->
                                new PackedOptions(
                                        folder,
                                        new PackedShard(
                                                config.servedModelName(),
                                                source.digest(),
                                                source.stamp(),
                                                config.rank(),
                                                config.tensorParallel(),
                                                compute.name().toLowerCase(Locale.ROOT)),
                                        access));
    }

    private static Optional<PackedOptions.Access> access(WorkerConfig config) {
        return switch (config.packedCache()) {
            case READ -> Optional.of(PackedOptions.Access.READ);
            case MAP -> Optional.of(PackedOptions.Access.MAP);
            case OFF -> Optional.empty();
        };
    }
}

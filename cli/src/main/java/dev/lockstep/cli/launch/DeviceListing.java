// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.Settings;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import dev.lockstep.kernels.cuda.LibrarySearch;
import dev.lockstep.worker.DeviceChoice;
import dev.lockstep.worker.DeviceSettings;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The GPUs of this host, as a short child process lists them: the driver, which may fail or hang,
/// stays out of this one. Without a driver there is no child.
public final class DeviceListing {
    private static final Logger LOG = LogManager.getLogger(DeviceListing.class);
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private DeviceListing() {}

    /// Chooses a device for each rank on this host.
    public static DeviceChoice choose(DeviceSettings settings, int ranks) {
        return DeviceChoice.of(settings, ranks, () -> probe(settings, ranks > 1));
    }

    private static CudaProbe probe(DeviceSettings settings, boolean nccl) {
        LibrarySearch search = settings.search();
        Optional<Path> driver = search.find(CudaLibrary.DRIVER);
        if (driver.isEmpty()) {
            return without(missing(search));
        }
        return child(settings.libraries(), driver.get()).withLibraries(search, nccl);
    }

    private static CudaUnavailableException missing(LibrarySearch search) {
        try {
            throw new IllegalStateException("a driver at " + search.require(CudaLibrary.DRIVER));
        } catch (CudaUnavailableException missing) {
            return missing;
        }
    }

    private static CudaProbe without(CudaUnavailableException problem) {
        return new CudaProbe(List.of(), List.of(), Optional.of(problem));
    }

    private static CudaProbe child(List<Path> libraries, Path driver) {
        List<String> arguments =
                libraries.isEmpty()
                        ? List.of()
                        : List.of(
                                "--cuda-libraries="
                                        + libraries.stream()
                                                .map(Path::toString)
                                                .collect(Collectors.joining(File.pathSeparator)));
        Process process;
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(JavaProcess.brief("devices", arguments))
                            .redirectError(ProcessBuilder.Redirect.DISCARD);
            builder.environment()
                    .keySet()
                    .removeIf(variable -> variable.startsWith(Settings.ENVIRONMENT_PREFIX));
            process = builder.start();
        } catch (IOException e) {
            return without(silent(driver, "cannot be asked: " + e.getMessage()));
        }
        Thread.ofPlatform().daemon().name("devices-limit").start(() -> end(process));
        try (BufferedReader output = process.inputReader()) {
            List<String> lines = output.lines().toList();
            return ProbeLines.read(lines)
                    .orElseGet(() -> without(silent(driver, "gave no answer, it failed or hung")));
        } catch (IOException e) {
            return without(silent(driver, "gave no answer: " + e.getMessage()));
        } finally {
            process.destroyForcibly();
        }
    }

    /// Ends a child that hangs.
    private static void end(Process process) {
        try {
            if (!process.waitFor(LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn("the listing of devices is killed after {} s", LIMIT.toSeconds());
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static CudaUnavailableException silent(Path driver, String what) {
        return new CudaUnavailableException(
                "the driver %s %s".formatted(driver, what), "see whether nvidia-smi works");
    }
}

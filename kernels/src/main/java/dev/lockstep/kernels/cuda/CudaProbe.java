// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What was found when a GPU was looked for, step by step; nothing of CUDA but the driver was
/// opened.
///
/// @param steps the steps in their order, each with what it found
/// @param devices every device of the driver, by ordinal, those that cannot be used too
/// @param problem why no device can be used; absent when one can
public record CudaProbe(
        List<Step> steps, List<CudaDevice> devices, Optional<CudaUnavailableException> problem) {
    static final int MIN_DRIVER = 13000;
    static final int MIN_MAJOR = 8;

    /// One line of the search, as `lockstep doctor` prints it.
    public record Step(String what, String found) {}

    public CudaProbe {
        steps = List.copyOf(steps);
        devices = List.copyOf(devices);
    }

    /// Loads the driver into this process and asks it.
    public static CudaProbe run(LibrarySearch search) {
        var steps = new ArrayList<Step>();
        var devices = new ArrayList<CudaDevice>();
        try {
            probe(search, steps, devices);
            return new CudaProbe(steps, devices, Optional.empty());
        } catch (CudaUnavailableException problem) {
            return new CudaProbe(steps, devices, Optional.of(problem));
        }
    }

    /// Adds where the libraries are that a rank opens next, or which is missing; opens none.
    ///
    /// @param nccl whether a rank has others to talk to
    public CudaProbe withLibraries(LibrarySearch search, boolean nccl) {
        var all = new ArrayList<Step>(steps);
        Optional<CudaUnavailableException> missing = problem;
        for (CudaLibrary library : CudaLibrary.values()) {
            if (library == CudaLibrary.DRIVER || (library == CudaLibrary.NCCL && !nccl)) {
                continue;
            }
            Optional<Path> file = search.find(library);
            all.add(new Step(library.soname(), file.map(Path::toString).orElse("not found")));
            if (file.isEmpty()) {
                missing = missing.or(() -> Optional.of(search.missing(library)));
            } else if (library == CudaLibrary.NVRTC) {
                missing = missing.or(() -> Nvrtc.withoutBuiltins(file.get()));
            }
        }
        return new CudaProbe(all, devices, missing);
    }

    /// Returns device `ordinal`, or throws with what is missing and the remedy.
    public CudaDevice require(int ordinal) {
        if (ordinal < 0 || (ordinal >= devices.size() && !devices.isEmpty())) {
            throw new CudaUnavailableException(
                    "GPU %d was asked for, there are %d, numbered from 0"
                            .formatted(ordinal, devices.size()),
                    "name one of them");
        }
        if (devices.isEmpty()) {
            throw problem.orElseThrow(
                    () -> new IllegalStateException("no device and no problem was found"));
        }
        CudaDevice device = devices.get(ordinal);
        if (!usable(device)) {
            throw tooOld(device);
        }
        return device;
    }

    /// Returns whether Lockstep's kernels run on a device.
    public static boolean usable(CudaDevice device) {
        return device.major() >= MIN_MAJOR;
    }

    private static void probe(LibrarySearch search, List<Step> steps, List<CudaDevice> devices) {
        Path file = search.require(CudaLibrary.DRIVER);
        steps.add(new Step(CudaLibrary.DRIVER.soname(), file.toString()));
        DriverLibrary driver = open(file);
        int code = driver.initialize();
        steps.add(new Step("cuInit", code == 0 ? "works" : "code %d".formatted(code)));
        if (code != 0) {
            throw new CudaUnavailableException(
                    "cuInit of %s failed with code %d%s".formatted(file, code, meaning(code)),
                    remedy(code));
        }
        int version = driver.version();
        steps.add(new Step("CUDA of the driver", text(version)));
        if (version < MIN_DRIVER) {
            throw new CudaUnavailableException(
                    "the driver %s serves CUDA %s, Lockstep needs %s or newer"
                            .formatted(file, text(version), text(MIN_DRIVER)),
                    "install driver 580 or newer");
        }
        int count = driver.devices();
        for (int ordinal = 0; ordinal < count; ordinal++) {
            CudaDevice device = driver.device(ordinal);
            devices.add(device);
            steps.add(
                    new Step(
                            "GPU " + ordinal,
                            "%s, compute capability %s, %d MiB, %s"
                                    .formatted(
                                            device.name(),
                                            device.capability(),
                                            device.memoryBytes() >> 20,
                                            device.uuid())));
        }
        if (count == 0) {
            throw new CudaUnavailableException(
                    "the driver %s finds no GPU".formatted(file),
                    "see what nvidia-smi and CUDA_VISIBLE_DEVICES say");
        }
        if (devices.stream().noneMatch(CudaProbe::usable)) {
            throw tooOld(devices.getFirst());
        }
    }

    private static DriverLibrary open(Path file) {
        try {
            return DriverLibrary.open(file);
        } catch (IllegalArgumentException failure) {
            var problem =
                    new CudaUnavailableException(
                            "the driver %s cannot be loaded".formatted(file),
                            CudaLibrary.DRIVER.remedy());
            problem.initCause(failure);
            throw problem;
        }
    }

    private static CudaUnavailableException tooOld(CudaDevice device) {
        return new CudaUnavailableException(
                "GPU %d, %s, has compute capability %s, Lockstep needs %d.0 or newer"
                        .formatted(device.ordinal(), device.name(), device.capability(), MIN_MAJOR),
                "use another GPU, or the CPU");
    }

    private static String meaning(int code) {
        return switch (code) {
            case 100 -> " (no device)";
            case 802 -> " (the system is not ready)";
            case 803 -> " (driver and library differ)";
            case 804 -> " (no forward compatibility)";
            case 999 -> " (unknown)";
            default -> "";
        };
    }

    private static String remedy(int code) {
        return switch (code) {
            case 100 -> "see what nvidia-smi and CUDA_VISIBLE_DEVICES say";
            case 802 -> "start nvidia-fabricmanager, which GPUs behind NVSwitch wait for";
            case 803 -> "restart the host, so that it loads the driver that is installed";
            case 804 ->
                    "take CUDA's compat folder out of the loader's folders, and install driver 580 or newer";
            default -> "see whether nvidia-smi works";
        };
    }

    static String text(int version) {
        return "%d.%d".formatted(version / 1000, version % 1000 / 10);
    }
}

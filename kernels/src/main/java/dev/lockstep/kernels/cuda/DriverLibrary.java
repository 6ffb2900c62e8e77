// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.HexFormat;

/// The few calls into the driver that find a device, before any other library is opened.
final class DriverLibrary {
    private static final int SHARED_OPT_IN = 97;
    private static final int CAPABILITY_MAJOR = 75;
    private static final int CAPABILITY_MINOR = 76;
    private static final int MULTIPROCESSORS = 16;
    private static final int L2_BYTES = 38;
    private static final int NAME_BYTES = 256;
    private static final int UUID_BYTES = 16;

    private final NativeFunctions functions;

    private DriverLibrary(NativeFunctions functions) {
        this.functions = functions;
    }

    @SuppressWarnings("restricted")
    static DriverLibrary open(Path file) {
        return new DriverLibrary(
                new NativeFunctions(
                        file.toString(), SymbolLookup.libraryLookup(file, Arena.global())));
    }

    /// Returns 0 or the driver's error number, as the other calls do.
    int initialize() {
        return functions.call("cuInit", FunctionDescriptor.of(JAVA_INT, JAVA_INT), 0);
    }

    /// Returns the newest CUDA version that the driver serves: 13000 is 13.0.
    int version() {
        return number("cuDriverGetVersion");
    }

    int devices() {
        return number("cuDeviceGetCount");
    }

    CudaDevice device(int ordinal) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment handle = arena.allocate(JAVA_INT);
            require(
                    "cuDeviceGet",
                    functions.call(
                            "cuDeviceGet",
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
                            handle,
                            ordinal));
            int device = handle.get(JAVA_INT, 0);
            MemorySegment name = arena.allocate(NAME_BYTES);
            require(
                    "cuDeviceGetName",
                    functions.call(
                            "cuDeviceGetName",
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT),
                            name,
                            NAME_BYTES,
                            device));
            MemorySegment uuid = arena.allocate(UUID_BYTES);
            require(
                    "cuDeviceGetUuid_v2",
                    functions.call(
                            "cuDeviceGetUuid_v2",
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
                            uuid,
                            device));
            MemorySegment bytes = arena.allocate(JAVA_LONG);
            require(
                    "cuDeviceTotalMem_v2",
                    functions.call(
                            "cuDeviceTotalMem_v2",
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT),
                            bytes,
                            device));
            return new CudaDevice(
                    ordinal,
                    name.getString(0, ISO_8859_1),
                    uuid(uuid.toArray(JAVA_BYTE)),
                    attribute(CAPABILITY_MAJOR, device),
                    attribute(CAPABILITY_MINOR, device),
                    attribute(MULTIPROCESSORS, device),
                    attribute(SHARED_OPT_IN, device),
                    attribute(L2_BYTES, device),
                    bytes.get(JAVA_LONG, 0));
        }
    }

    private int attribute(int attribute, int device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(JAVA_INT);
            require(
                    "cuDeviceGetAttribute",
                    functions.call(
                            "cuDeviceGetAttribute",
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT),
                            value,
                            attribute,
                            device));
            return value.get(JAVA_INT, 0);
        }
    }

    private int number(String function) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(JAVA_INT);
            require(
                    function,
                    functions.call(function, FunctionDescriptor.of(JAVA_INT, ADDRESS), value));
            return value.get(JAVA_INT, 0);
        }
    }

    private static void require(String function, int code) {
        if (code != 0) {
            throw new CudaUnavailableException(
                    "%s of the driver failed with code %d".formatted(function, code),
                    "see whether nvidia-smi works");
        }
    }

    private static String uuid(byte[] bytes) {
        String hex = HexFormat.of().formatHex(bytes);
        return "GPU-%s-%s-%s-%s-%s"
                .formatted(
                        hex.substring(0, 8),
                        hex.substring(8, 12),
                        hex.substring(12, 16),
                        hex.substring(16, 20),
                        hex.substring(20));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// A `.cu` file that the emulated NVRTC has compiled for the CPU, without a driver around it. Its
/// object is never unloaded.
@SuppressWarnings("restricted")
final class EmulatedObject {
    static final int MISALIGNED_ADDRESS = 716;
    static final int LAUNCH_FAILED = 719;

    private static final Path EMULATION = Path.of("src/test/cuda-emulation");
    private static final String OBJECT = "object ";
    private static final Map<KernelVariant, EmulatedObject> OPEN = new ConcurrentHashMap<>();

    private final MethodHandle launch;
    private final MethodHandle bytes;
    private final MethodHandle layouts;
    private final MethodHandle error;

    private EmulatedObject(Path object) {
        SymbolLookup symbols = SymbolLookup.libraryLookup(object, Arena.global());
        launch =
                handle(
                        symbols,
                        "ls_emulated_launch",
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT,
                                ValueLayout.ADDRESS,
                                ValueLayout.ADDRESS,
                                ValueLayout.ADDRESS,
                                ValueLayout.JAVA_INT,
                                ValueLayout.ADDRESS,
                                ValueLayout.JAVA_LONG));
        bytes =
                handle(
                        symbols,
                        "ls_emulated_params_bytes",
                        FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
        layouts =
                handle(symbols, "ls_emulated_layouts", FunctionDescriptor.of(ValueLayout.ADDRESS));
        error = handle(symbols, "ls_emulated_error", FunctionDescriptor.of(ValueLayout.ADDRESS));
    }

    /// Compiles a file, named without its suffix, of the CUDA sources or else of the emulation's
    /// own folder.
    static EmulatedObject of(String file, String... options) {
        List<String> key = List.of(options);
        return OPEN.computeIfAbsent(
                new KernelVariant(file, key), _ -> new EmulatedObject(compiled(file, key)));
    }

    /// Runs a kernel; returns 0 or an error number of the driver.
    int launch(
            String kernel, int[] grid, int[] block, int shared, MemorySegment params, long seed) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocateFrom(kernel);
            assertEquals(params.byteSize(), (long) bytes.invokeExact(name), kernel + " parameters");
            return (int)
                    launch.invokeExact(
                            name,
                            arena.allocateFrom(ValueLayout.JAVA_INT, grid),
                            arena.allocateFrom(ValueLayout.JAVA_INT, block),
                            shared,
                            params,
                            seed);
        } catch (Throwable failure) {
            throw new AssertionError(failure);
        }
    }

    /// Returns lines "struct field offset size".
    List<String> layouts() {
        return text(layouts).lines().toList();
    }

    /// Returns why the last launch failed.
    String error() {
        return text(error);
    }

    private static String text(MethodHandle function) {
        try {
            MemorySegment chars = (MemorySegment) function.invokeExact();
            return chars.reinterpret(Long.MAX_VALUE).getString(0);
        } catch (Throwable failure) {
            throw new AssertionError(failure);
        }
    }

    private static MethodHandle handle(
            SymbolLookup symbols, String name, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().downcallHandle(symbols.find(name).orElseThrow(), descriptor);
    }

    private static Path compiled(String file, List<String> options) {
        CompiledKernel compiled =
                Nvrtc.open(EmulatedCuda.search()).compile(source(file), "sm_90a", options);
        return new String(compiled.image(), UTF_8)
                .lines()
                .filter(line -> line.startsWith(OBJECT))
                .map(line -> Path.of(line.substring(OBJECT.length())))
                .findFirst()
                .orElseThrow();
    }

    private static KernelSource source(String file) {
        if (KernelSources.FILES.contains(file)) {
            return KernelSources.of(file);
        }
        try {
            return new KernelSource(
                    file + ".cu",
                    Files.readString(EMULATION.resolve(file + ".cu")),
                    KernelSources.of("add").headers());
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}

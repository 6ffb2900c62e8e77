// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

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
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/// A `.cu` file compiled by g++ for the CPU, without a driver around it. A source with the same
/// options is compiled once; its object is never unloaded.
@SuppressWarnings("restricted")
final class EmulatedObject {
    static final int MISALIGNED_ADDRESS = 716;
    static final int LAUNCH_FAILED = 719;

    private static final Path EMULATION = Path.of("src/test/cuda-emulation");
    private static final Path KERNELS = Path.of("src/main/cuda");
    private static final Path CACHE = Path.of("target/cuda-emulation");
    private static final Map<List<String>, EmulatedObject> OPEN = new ConcurrentHashMap<>();

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

    /// Compiles a kernel file of `src/main/cuda`, or else of the emulation's own folder.
    static EmulatedObject of(String source, String... options) {
        var key = new ArrayList<>(List.of(options));
        key.addFirst(source);
        return OPEN.computeIfAbsent(key, _ -> new EmulatedObject(compiled(source, options)));
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

    private static Path compiled(String source, String... options) {
        try {
            Path file = KERNELS.resolve(source);
            if (!Files.exists(file)) {
                file = EMULATION.resolve(source);
            }
            Files.createDirectories(CACHE);
            Path object = CACHE.resolve(digest(file, options) + ".so").toAbsolutePath();
            if (!Files.exists(object)) {
                compile(file, object, options);
            }
            return object;
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    private static void compile(Path file, Path object, String... options) throws IOException {
        String script = EMULATION.resolve("compile.sh").toString();
        var command = new ArrayList<>(List.of("bash", script, file.toString(), object.toString()));
        command.addAll(List.of(options));
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            var output = new String(process.getInputStream().readAllBytes(), UTF_8);
            int code = process.waitFor();
            if (code == 127 && !"true".equals(System.getenv("CI"))) {
                abort("no C++ compiler: kernels are not emulated; install g++ 10 or newer");
            }
            if (code != 0) {
                fail(file + ": " + output);
            }
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    private static String digest(Path file, String... options) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update((file + " " + String.join(" ", options)).getBytes(UTF_8));
            digest.update(Files.readAllBytes(file));
            for (Path folder : List.of(EMULATION, KERNELS)) {
                try (Stream<Path> files = Files.list(folder)) {
                    for (Path each : files.sorted().toList()) {
                        if (each.toString().endsWith("h")) {
                            digest.update(Files.readAllBytes(each));
                        }
                    }
                }
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 12);
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible);
        }
    }
}

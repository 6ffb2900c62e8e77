// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/// CUDA's libraries as tests have them, without a GPU: compiled by g++, loaded by the real
/// bindings. Environment variables of a forked process choose devices, memory and faults; see the
/// sources in `src/test/cuda-emulation/libraries`.
@SuppressWarnings("restricted")
public final class EmulatedCuda {
    private static final long NEVER = -1;
    private static final long USUAL_DELAY_MICROS = 1000;

    private EmulatedCuda() {}

    /// Returns the folder of the libraries, after compiling what is not new enough. Skips the test
    /// where there is no compiler, and fails there when `CI` is set.
    public static Path folder() {
        return Built.FOLDER;
    }

    public static LibrarySearch search() {
        return LibrarySearch.only(List.of(folder()));
    }

    /// Opens the libraries in this process, NCCL too.
    public static CudaLibraries libraries() {
        return CudaLibraries.open(search(), folder().resolve("bytedeco"), true);
    }

    /// Opens the first device in this process.
    public static Cuda open() {
        return open(0);
    }

    /// Opens one of this process's devices, four unless the environment says otherwise.
    public static Cuda open(int ordinal) {
        return Cuda.open(libraries(), CudaProbe.run(search()).require(ordinal));
    }

    /// Lets work of this process run only when it is waited or asked for, or soon as usual.
    static void holdWork(boolean hold) {
        invoke(
                CudaLibrary.DRIVER,
                "ls_emulation_set_delay",
                FunctionDescriptor.ofVoid(JAVA_LONG),
                hold ? NEVER : USUAL_DELAY_MICROS);
    }

    /// Lets the calls of `faults`, such as `cuLaunchKernel:3:1`, fail in this process; empty: none.
    /// The calls of a function count from the start of the process, those of `*` from now.
    public static void failOn(CudaLibrary library, String faults) {
        try (Arena arena = Arena.ofConfined()) {
            invoke(
                    library,
                    "ls_emulation_set_faults",
                    FunctionDescriptor.ofVoid(ADDRESS),
                    arena.allocateFrom(faults));
        }
    }

    /// Lets this process's next launch of a kernel, which no recording launches, wait until
    /// [#release], and everything after it in its stream.
    public static void holdNextKernel() {
        long launched = calls(CudaLibrary.DRIVER, "cuLaunchKernel");
        failOn(CudaLibrary.DRIVER, "cuLaunchKernel:%d:-1".formatted(launched + 1));
    }

    /// Lets streams of this process go on that are held.
    public static void release() {
        invoke(CudaLibrary.DRIVER, "ls_emulation_release", FunctionDescriptor.ofVoid());
    }

    /// Returns how often this process called a C function; `*` is all of the library.
    public static long calls(CudaLibrary library, String function) {
        try (Arena arena = Arena.ofConfined()) {
            var calls =
                    (Long)
                            invoke(
                                    library,
                                    "ls_emulation_calls",
                                    FunctionDescriptor.of(JAVA_LONG, ADDRESS),
                                    arena.allocateFrom(function));
            return calls;
        }
    }

    /// Returns how often this process called each C function of a library that it has called.
    public static SortedMap<String, Long> calls(CudaLibrary library) {
        SortedMap<String, Long> calls = new TreeMap<>();
        for (long i = 0; ; i++) {
            var name =
                    (MemorySegment)
                            invoke(
                                    library,
                                    "ls_emulation_function",
                                    FunctionDescriptor.of(ADDRESS, JAVA_LONG),
                                    i);
            if (name.equals(MemorySegment.NULL)) {
                return calls;
            }
            String function = name.reinterpret(Long.MAX_VALUE).getString(0);
            calls.put(function, calls(library, function));
        }
    }

    /// Gives this process what a new one would find, after an error that nothing survives.
    public static void renew() {
        invoke(CudaLibrary.DRIVER, "ls_emulation_renew", FunctionDescriptor.ofVoid());
    }

    private static Object invoke(
            CudaLibrary library, String name, FunctionDescriptor descriptor, Object... arguments) {
        MemorySegment symbol =
                SymbolLookup.libraryLookup(folder().resolve(library.soname()), Arena.global())
                        .findOrThrow(name);
        try {
            return Linker.nativeLinker()
                    .downcallHandle(symbol, descriptor)
                    .invokeWithArguments(arguments);
        } catch (Throwable failure) {
            throw new AssertionError(failure);
        }
    }

    private static final class Built {
        static final Path FOLDER = build();

        private static Path build() {
            Path module =
                    Files.isDirectory(Path.of("src/test/cuda-emulation"))
                            ? Path.of("")
                            : Path.of("../kernels");
            module = module.toAbsolutePath().normalize();
            Path folder = module.resolve("target/cuda-libraries");
            if (!onPath("g++")) {
                if ("true".equals(System.getenv("CI"))) {
                    fail("no g++, which compiles the emulated libraries of CUDA");
                }
                abort("no g++, which compiles the emulated libraries of CUDA");
            }
            try {
                Process process =
                        new ProcessBuilder(
                                        "bash",
                                        module.resolve("src/test/cuda-emulation/libraries/build.sh")
                                                .toString(),
                                        folder.toString())
                                .redirectErrorStream(true)
                                .start();
                var output = new String(process.getInputStream().readAllBytes(), UTF_8);
                assertEquals(0, process.waitFor(), output);
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
            }
            return folder;
        }

        private static boolean onPath(String command) {
            return LibrarySearch.parse(System.getenv().getOrDefault("PATH", "")).stream()
                    .anyMatch(folder -> Files.isExecutable(folder.resolve(command)));
        }
    }
}

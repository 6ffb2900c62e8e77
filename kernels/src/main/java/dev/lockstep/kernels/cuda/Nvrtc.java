// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// NVIDIA's run-time compiler; it works on hosts without a driver. Threads may share it.
public final class Nvrtc {
    private static final FunctionDescriptor STRINGS =
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, ADDRESS);
    private static final FunctionDescriptor OF_PROGRAM =
            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS);

    private final NativeFunctions functions;
    private final String version;

    private Nvrtc(Path file, SymbolLookup symbols) {
        functions = new NativeFunctions(file.toString(), symbols);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment numbers = arena.allocate(JAVA_INT, 2);
            check(
                    functions.call(
                            "nvrtcVersion",
                            FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS),
                            numbers,
                            numbers.asSlice(JAVA_INT.byteSize())),
                    "nvrtcVersion");
            version =
                    "%d.%d"
                            .formatted(
                                    numbers.getAtIndex(JAVA_INT, 0),
                                    numbers.getAtIndex(JAVA_INT, 1));
        }
    }

    /// Opens the compiler alone, without a driver or any other library.
    public static Nvrtc open(LibrarySearch search) {
        return open(search.require(CudaLibrary.NVRTC));
    }

    /// Opens the compiler among the libraries of this process.
    public static Nvrtc open(CudaLibraries libraries) {
        return new Nvrtc(libraries.file(CudaLibrary.NVRTC), libraries.symbols(CudaLibrary.NVRTC));
    }

    @SuppressWarnings("restricted")
    private static Nvrtc open(Path file) {
        try {
            openBuiltins(file);
            return new Nvrtc(file, SymbolLookup.libraryLookup(file, Arena.global()));
        } catch (IllegalArgumentException failure) {
            var problem =
                    new CudaUnavailableException(
                            "%s cannot be loaded".formatted(file), CudaLibrary.NVRTC.remedy());
            problem.initCause(failure);
            throw problem;
        }
    }

    /// Opens the library of built-in functions that lies beside `nvrtc`: NVRTC asks the loader for
    /// it by soname, which finds what is open and nothing else in such a folder.
    @SuppressWarnings("restricted")
    static void openBuiltins(Path nvrtc) {
        Optional<CudaUnavailableException> missing = withoutBuiltins(nvrtc);
        if (missing.isPresent()) {
            throw missing.get();
        }
        for (Path file : builtins(nvrtc)) {
            SymbolLookup.libraryLookup(file, Arena.global());
        }
    }

    /// Returns what is missing beside `nvrtc`, if it is.
    static Optional<CudaUnavailableException> withoutBuiltins(Path nvrtc) {
        return builtins(nvrtc).isEmpty()
                ? Optional.of(
                        new CudaUnavailableException(
                                "libnvrtc-builtins.so.13.x was not found beside " + nvrtc,
                                CudaLibrary.NVRTC.remedy()))
                : Optional.empty();
    }

    private static List<Path> builtins(Path nvrtc) {
        Path folder = nvrtc.toAbsolutePath().getParent();
        return folder == null
                ? List.of()
                : Folders.matching(folder, "libnvrtc-builtins.so.13.[0-9]");
    }

    /// Returns the compiler's version, such as `13.0`.
    public String version() {
        return version;
    }

    /// Returns the compute capabilities that it compiles for, 90 for 9.0.
    public List<Integer> capabilities() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(JAVA_INT);
            FunctionDescriptor descriptor = FunctionDescriptor.of(JAVA_INT, ADDRESS);
            check(
                    functions.call("nvrtcGetNumSupportedArchs", descriptor, count),
                    "nvrtcGetNumSupportedArchs");
            MemorySegment numbers = arena.allocate(JAVA_INT, count.get(JAVA_INT, 0));
            check(
                    functions.call("nvrtcGetSupportedArchs", descriptor, numbers),
                    "nvrtcGetSupportedArchs");
            var capabilities = new ArrayList<Integer>();
            for (int number : numbers.toArray(JAVA_INT)) {
                capabilities.add(number);
            }
            return List.copyOf(capabilities);
        }
    }

    /// Compiles a program to machine code.
    ///
    /// @param architecture a device's, such as `sm_90a`
    /// @param options further options, such as `-DROWS=4`
    public CompiledKernel compile(KernelSource source, String architecture, List<String> options) {
        var all = new ArrayList<String>();
        all.add("--gpu-architecture=" + architecture);
        all.addAll(options);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = arena.allocate(ADDRESS);
            List<String> names = List.copyOf(source.headers().keySet());
            check(
                    functions.call(
                            "nvrtcCreateProgram",
                            FunctionDescriptor.of(
                                    JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS,
                                    ADDRESS),
                            program,
                            arena.allocateFrom(source.text()),
                            arena.allocateFrom(source.name()),
                            names.size(),
                            strings(List.copyOf(source.headers().values()), arena),
                            strings(names, arena)),
                    "nvrtcCreateProgram");
            try {
                return compile(source.name(), program.get(ADDRESS, 0), all, arena);
            } finally {
                functions.call(
                        "nvrtcDestroyProgram", FunctionDescriptor.of(JAVA_INT, ADDRESS), program);
            }
        }
    }

    private CompiledKernel compile(
            String name, MemorySegment program, List<String> options, Arena arena) {
        int result =
                functions.call(
                        "nvrtcCompileProgram",
                        STRINGS,
                        program,
                        options.size(),
                        strings(options, arena));
        byte[] text = bytes("nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program, arena);
        // The log ends with a zero byte.
        String log = new String(text, 0, Math.max(text.length - 1, 0), UTF_8);
        if (result != 0) {
            throw new KernelCompileException(name, text(result), log);
        }
        return new CompiledKernel(bytes("nvrtcGetCUBINSize", "nvrtcGetCUBIN", program, arena), log);
    }

    private byte[] bytes(String sizeFunction, String function, MemorySegment program, Arena arena) {
        MemorySegment size = arena.allocate(JAVA_LONG);
        check(functions.call(sizeFunction, OF_PROGRAM, program, size), sizeFunction);
        MemorySegment bytes = arena.allocate(Math.max(size.get(JAVA_LONG, 0), 1));
        check(functions.call(function, OF_PROGRAM, program, bytes), function);
        return bytes.asSlice(0, size.get(JAVA_LONG, 0)).toArray(JAVA_BYTE);
    }

    private static MemorySegment strings(List<String> strings, Arena arena) {
        MemorySegment array = arena.allocate(ADDRESS, Math.max(strings.size(), 1));
        for (int i = 0; i < strings.size(); i++) {
            array.setAtIndex(ADDRESS, i, arena.allocateFrom(strings.get(i)));
        }
        return array;
    }

    private void check(int result, String function) {
        if (result != 0) {
            throw new CudaException(function, result, text(result), "", "");
        }
    }

    private String text(int result) {
        return functions.text(
                "nvrtcGetErrorString", FunctionDescriptor.of(ADDRESS, JAVA_INT), result);
    }
}

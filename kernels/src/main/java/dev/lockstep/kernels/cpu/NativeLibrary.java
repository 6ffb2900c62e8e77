// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The C++ kernels of one instruction set: read from the jar, loaded once per process, never
/// unloaded.
///
/// Each `Native…Ops` gets the handles of its C++ file from it and keeps them.
final class NativeLibrary {
    private static final Map<InstructionSet, NativeLibrary> LOADED = new ConcurrentHashMap<>();

    private final InstructionSet set;
    private final SymbolLookup symbols;

    private NativeLibrary(InstructionSet set, SymbolLookup symbols) {
        this.set = set;
        this.symbols = symbols;
    }

    static NativeLibrary load(InstructionSet set) {
        return LOADED.computeIfAbsent(set, NativeLibrary::open);
    }

    /// Returns whether the build contains its library; the Vector API needs none.
    static boolean isBuilt(InstructionSet set) {
        return !set.isNative() || NativeLibrary.class.getResource(resource(set)) != null;
    }

    static String fileName(InstructionSet set) {
        return "liblockstep-" + set.variant() + ".so";
    }

    InstructionSet instructionSet() {
        return set;
    }

    /// Returns a handle of the C function `name`, which returns void. An address is a `JAVA_LONG`.
    MethodHandle function(String name, MemoryLayout... arguments) {
        return function(name, FunctionDescriptor.ofVoid(arguments));
    }

    @SuppressWarnings("restricted")
    MethodHandle function(String name, FunctionDescriptor descriptor) {
        MemorySegment symbol =
                symbols.find(name)
                        .orElseThrow(
                                () ->
                                        new IllegalStateException(
                                                "%s has no function %s: build the kernels module again"
                                                        .formatted(fileName(set), name)));
        return Linker.nativeLinker().downcallHandle(symbol, descriptor);
    }

    /// Handles the `catch (Throwable)` around `invokeExact`: a C function throws nothing, so a
    /// failure comes from our code or the JVM and is rethrown unchanged.
    static RuntimeException rethrow(Throwable failure) {
        return switch (failure) {
            case RuntimeException exception -> exception;
            case Error error -> throw error;
            default -> new IllegalStateException(failure);
        };
    }

    /// Returns the number of `type` in `enum TensorType` of `lockstep.h`.
    static int code(TensorType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case BF16 -> 2;
            case Q4_0 -> 3;
            case Q4_1 -> 4;
            case Q5_0 -> 5;
            case Q5_1 -> 6;
            case Q8_0 -> 7;
            case IQ4_NL -> 8;
            case MXFP4 -> 9;
            case Q2_K -> 10;
            case Q3_K -> 11;
            case Q4_K -> 12;
            case Q5_K -> 13;
            case Q6_K -> 14;
            case IQ4_XS -> 15;
            case IQ1_S -> 16;
            case IQ1_M -> 17;
            case IQ2_XXS -> 18;
            case IQ2_XS -> 19;
            case IQ2_S -> 20;
            case IQ3_XXS -> 21;
            case IQ3_S -> 22;
            case TQ1_0 -> 23;
            case TQ2_0 -> 24;
            case E4M3 -> 25;
            case Q4_OFFSET -> 26;
            case Q4_ZERO -> 27;
            case Q8_OFFSET -> 28;
            case NVFP4 -> 29;
            case Q4_ZERO_32 -> 30;
            case Q8_ZERO -> 31;
            case Q8_ZERO_32 -> 32;
            case NF4 -> 33;
            case FP4 -> 34;
            case Q4_ZERO_128 -> 35;
        };
    }

    private static String resource(InstructionSet set) {
        String machine = set == InstructionSet.NEON ? "aarch64" : "x86_64";
        return "/native/linux-%s/%s".formatted(machine, fileName(set));
    }

    @SuppressWarnings("restricted")
    private static NativeLibrary open(InstructionSet set) {
        Path file = extract(set);
        try {
            return new NativeLibrary(set, SymbolLookup.libraryLookup(file, Arena.global()));
        } catch (IllegalArgumentException failure) {
            throw new IllegalStateException(
                    "%s is in this build but cannot be loaded from %s: if that folder is mounted noexec, set -Djava.io.tmpdir to another"
                            .formatted(fileName(set), file),
                    failure);
        } finally {
            delete(file);
        }
    }

    private static Path extract(InstructionSet set) {
        try (InputStream library = NativeLibrary.class.getResourceAsStream(resource(set))) {
            if (library == null) {
                throw new IllegalStateException("no " + fileName(set) + " in this build");
            }
            Path file = Files.createTempFile("lockstep-", ".so");
            Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
            return file;
        } catch (IOException failure) {
            throw new UncheckedIOException(
                    "cannot write %s to the folder for temporary files, %s"
                            .formatted(fileName(set), System.getProperty("java.io.tmpdir")),
                    failure);
        }
    }

    private static void delete(Path file) {
        try {
            Files.delete(file);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }
}

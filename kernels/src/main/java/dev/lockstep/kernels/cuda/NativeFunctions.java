// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The C functions of a library that is called without Bytedeco. Not for the calls of a step, whose
/// arguments it would box.
final class NativeFunctions {
    private final String library;
    private final SymbolLookup symbols;
    private final Map<String, MethodHandle> handles = new ConcurrentHashMap<>();

    NativeFunctions(String library, SymbolLookup symbols) {
        this.library = library;
        this.symbols = symbols;
    }

    /// Calls a function that returns an error number.
    int call(String name, FunctionDescriptor descriptor, Object... arguments) {
        return (int) invoke(name, descriptor, arguments);
    }

    /// Calls a function that returns a C string.
    @SuppressWarnings("restricted")
    String text(String name, FunctionDescriptor descriptor, Object... arguments) {
        var text = (MemorySegment) invoke(name, descriptor, arguments);
        return text.equals(MemorySegment.NULL) ? "" : text.reinterpret(Long.MAX_VALUE).getString(0);
    }

    private Object invoke(String name, FunctionDescriptor descriptor, Object... arguments) {
        try {
            return handles.computeIfAbsent(name, _ -> handle(name, descriptor))
                    .invokeWithArguments(arguments);
        } catch (RuntimeException | Error failure) {
            throw failure;
        } catch (Throwable failure) {
            throw new IllegalStateException(failure);
        }
    }

    @SuppressWarnings("restricted")
    private MethodHandle handle(String name, FunctionDescriptor descriptor) {
        MemorySegment symbol =
                symbols.find(name)
                        .orElseThrow(
                                () ->
                                        new CudaUnavailableException(
                                                "%s has no function %s".formatted(library, name),
                                                "install CUDA 13.0 or newer"));
        return Linker.nativeLinker().downcallHandle(symbol, descriptor);
    }
}

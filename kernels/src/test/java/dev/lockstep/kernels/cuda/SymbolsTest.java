// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.util.stream.Collectors.toCollection;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// The C functions that the bindings call are those of a list, in which each is of CUDA 13.0,
/// driver 580 or NCCL 2.27: one that a host lacks ends the process when it is called.
final class SymbolsTest {

    @Test
    void bindingsCallTheFunctionsOfTheListAndNoOthers() throws IOException {
        var called =
                new TreeSet<String>(
                        CalledSymbols.ofBytedeco(
                                Cuda.class,
                                Set.of("Cuda", "CudaErrors", "CudaGraphs", "CublasLt")));
        called.addAll(CalledSymbols.byName(DriverLibrary.class));
        called.addAll(CalledSymbols.byName(Nvrtc.class));
        Set<String> expected =
                CalledSymbols.allowed().stream()
                        .map(CalledSymbols.Symbol::name)
                        .filter(name -> !name.startsWith("nccl"))
                        .collect(toCollection(TreeSet::new));
        assertEquals(expected, called);
    }

    @Test
    @SuppressWarnings("restricted")
    void theEmulatedLibrariesHaveEveryFunctionOfTheList() throws IOException {
        for (CalledSymbols.Symbol symbol : CalledSymbols.allowed()) {
            Path library = EmulatedCuda.folder().resolve(symbol.library());
            assertTrue(
                    SymbolLookup.libraryLookup(library, Arena.global())
                            .find(symbol.symbol())
                            .isPresent(),
                    symbol.toString());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/// A program of small kernels, for tests of what launches them.
final class TestProgram {
    private static final String TEXT =
            """
            #include "ls_types.cuh"

            #define AFFINE_FIELDS(F) F(float*, x) F(int64_t, size) F(float, factor) F(float, summand)
            LS_STRUCT(AffineParams, AFFINE_FIELDS, 24)

            // x = x * factor + summand, and MORE.
            LS_KERNEL(affine, AffineParams) {
              int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
              if (i < p.size) p.x[i] = p.x[i] * p.factor + p.summand + MORE;
            }

            // Writes into the pages behind x.
            LS_KERNEL(stray, AffineParams) { p.x[p.size + 1000] = 1; }

            // Writes one float behind x.
            LS_KERNEL(overrun, AffineParams) { p.x[p.size] = 1; }
            """;
    static final int PARAMETER_BYTES = 24;

    private TestProgram() {}

    static KernelSource source() {
        return source(TEXT);
    }

    static KernelSource source(String text) {
        Path headers =
                Files.isDirectory(Path.of("src/main/cuda"))
                        ? Path.of("src/main/cuda")
                        : Path.of("../kernels/src/main/cuda");
        try {
            return new KernelSource(
                    "program.cu",
                    text,
                    Map.of("ls_types.cuh", Files.readString(headers.resolve("ls_types.cuh"))));
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /// Fills the parameters of any of its kernels.
    static MemorySegment parameters(
            Arena arena, long address, long size, float factor, float summand) {
        MemorySegment parameters = arena.allocate(PARAMETER_BYTES, Long.BYTES);
        parameters.set(ValueLayout.JAVA_LONG, 0, address);
        parameters.set(ValueLayout.JAVA_LONG, 8, size);
        parameters.set(ValueLayout.JAVA_FLOAT, 16, factor);
        parameters.set(ValueLayout.JAVA_FLOAT, 20, summand);
        return parameters;
    }
}

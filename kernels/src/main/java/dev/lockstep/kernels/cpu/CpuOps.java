// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The per-thread bodies of all ops of one instruction set, one component per op family.
record CpuOps(
        MatmulOps matmul,
        RowOps rows,
        ElementOps elements,
        AttentionOps attention,
        StateOps states,
        SamplingOps sampling) {

    static CpuOps of(InstructionSet set) {
        return switch (set) {
            case AVX512_BF16, AVX512_VNNI, AVX512, AVX_VNNI, AVX2, NEON ->
                    ofLibrary(NativeLibrary.load(set));
            case VECTOR_API ->
                    new CpuOps(
                            new VectorMatmulOps(),
                            new VectorRowOps(),
                            new VectorElementOps(),
                            new VectorAttentionOps(),
                            new VectorStateOps(),
                            new VectorSamplingOps());
        };
    }

    private static CpuOps ofLibrary(NativeLibrary library) {
        return new CpuOps(
                new NativeMatmulOps(library),
                new NativeRowOps(library),
                new NativeElementOps(library),
                new NativeAttentionOps(library),
                new NativeStateOps(library),
                new NativeSamplingOps(library));
    }
}

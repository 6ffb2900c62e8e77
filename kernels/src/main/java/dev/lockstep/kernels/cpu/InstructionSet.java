// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DeviceCapabilities;
import java.util.Locale;
import java.util.Set;

/// The instruction sets of the kernels, best first. Bits are equal only between equal instruction
/// sets.
public enum InstructionSet {
    AVX512_BF16,
    AVX512_VNNI,
    /// Pure Java, available on every machine.
    VECTOR_API;

    /// Returns the name shown to users, in logs and in the handshake.
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    public boolean isNative() {
        return this != VECTOR_API;
    }

    /// Returns what CPU kernels of this instruction set compute with.
    public DeviceCapabilities capabilities() {
        return DeviceCapabilities.ofCpu(key(), hasBf16());
    }

    /// Returns whether bf16 products have an instruction; elsewhere they are computed as f32.
    boolean hasBf16() {
        return this == AVX512_BF16;
    }

    /// Returns the suffix of the native library's file name.
    String variant() {
        return key().replace("_", "");
    }

    /// Returns the flags that the CPU must report, spelt as in `/proc/cpuinfo`.
    Set<String> cpuFlags() {
        return switch (this) {
            case AVX512_BF16 ->
                    Set.of(
                            "avx512f",
                            "avx512bw",
                            "avx512vl",
                            "avx512dq",
                            "avx512_vnni",
                            "avx512_bf16");
            case AVX512_VNNI ->
                    Set.of("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni");
            case VECTOR_API -> Set.of();
        };
    }

    /// Returns the best instruction set that this machine and this build can run.
    public static InstructionSet best() {
        return best(CpuFeatures.current());
    }

    private static InstructionSet best(CpuFeatures cpu) {
        for (InstructionSet set : values()) {
            if (cpu.missing(set).isEmpty() && NativeLibrary.isBuilt(set)) {
                return set;
            }
        }
        return VECTOR_API;
    }

    /// Throws, naming the remedy, unless `cpu` and this build can run it.
    void require(CpuFeatures cpu) {
        Set<String> missing = cpu.missing(this);
        if (!missing.isEmpty()) {
            throw new UnsupportedOperationException(
                    "instruction set %s was requested, but this CPU lacks %s: request %s, or none"
                            .formatted(key(), String.join(", ", missing), best(cpu).key()));
        }
        if (!NativeLibrary.isBuilt(this)) {
            throw new UnsupportedOperationException(
                    "instruction set %s was requested, but this build has no %s: build again with g++ 10 or newer on the path, or request %s"
                            .formatted(key(), NativeLibrary.fileName(this), best(cpu).key()));
        }
    }
}

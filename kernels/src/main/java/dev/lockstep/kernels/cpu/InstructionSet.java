// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DeviceCapabilities;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The instruction sets of the kernels, best first. All compute the same bits, except that
/// [#AVX512_BF16] rounds products of bf16 differently.
public enum InstructionSet {
    AVX512_BF16,
    AVX512_VNNI,
    AVX512,
    /// AVX2 with an 8-bit dot product.
    AVX_VNNI,
    AVX2,
    /// ARM64 with 8-bit dot products of mixed signs.
    NEON,
    /// Pure Java, available on every machine.
    VECTOR_API;

    private static final Set<String> AVX2_FLAGS =
            Set.of("avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe");
    private static final Set<String> AVX512_FLAGS =
            Set.of("avx512f", "avx512bw", "avx512cd", "avx512vl", "avx512dq");
    private static final String VECTOR_MODULE_NAME = "jdk.incubator.vector";

    /// A JVM with this module links no class from its start-up cache: only processes that need it
    /// have it.
    private static final boolean VECTOR_MODULE =
            ModuleLayer.boot().findModule(VECTOR_MODULE_NAME).isPresent();

    /// Returns the name shown to users, in logs and in the handshake.
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// Returns the names of all, for messages.
    public static String keys(String separator) {
        return Stream.of(values()).map(InstructionSet::key).collect(Collectors.joining(separator));
    }

    /// Returns the set of a name such as `avx2`.
    public static Optional<InstructionSet> of(String key) {
        return Stream.of(values()).filter(set -> set.key().equals(key)).findFirst();
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
            case AVX512_BF16 -> with(AVX512_FLAGS, "avx512_vnni", "avx512_bf16");
            case AVX512_VNNI -> with(AVX512_FLAGS, "avx512_vnni");
            case AVX512 -> AVX512_FLAGS;
            case AVX_VNNI -> with(AVX2_FLAGS, "avx_vnni");
            case AVX2 -> AVX2_FLAGS;
            case NEON -> Set.of("asimd", "asimddp", "i8mm");
            case VECTOR_API -> Set.of();
        };
    }

    private static Set<String> with(Set<String> flags, String... more) {
        return Stream.concat(flags.stream(), Stream.of(more))
                .collect(Collectors.toUnmodifiableSet());
    }

    /// Returns the best instruction set that this machine and this build can run.
    public static InstructionSet best() {
        return best(CpuFeatures.current());
    }

    static InstructionSet best(CpuFeatures cpu) {
        return available(cpu).getFirst();
    }

    /// Returns the instruction sets that this machine and this build can run, best first.
    public static List<InstructionSet> available() {
        return available(CpuFeatures.current());
    }

    private static List<InstructionSet> available(CpuFeatures cpu) {
        return Stream.of(values())
                .filter(set -> cpu.missing(set).isEmpty() && NativeLibrary.isBuilt(set))
                .toList();
    }

    /// Throws, naming the remedy, unless this machine and this build can run it, in a JVM with the
    /// flags that it needs.
    public void requireAvailable() {
        requireAvailable(CpuFeatures.current());
    }

    /// Throws, naming the remedy, unless `cpu`, this build and this JVM can run it.
    void require(CpuFeatures cpu) {
        requireAvailable(cpu);
        if (this == VECTOR_API && !VECTOR_MODULE) {
            throw new UnsupportedOperationException(
                    "instruction set %s needs the JVM flag --add-modules=%s, which scripts/lockstep sets for --instruction-set=%s on the command line"
                            .formatted(key(), VECTOR_MODULE_NAME, key()));
        }
    }

    private void requireAvailable(CpuFeatures cpu) {
        Set<String> missing = cpu.missing(this);
        if (!missing.isEmpty()) {
            throw new UnsupportedOperationException(
                    "instruction set %s was requested, but this CPU lacks %s: request %s, or none"
                            .formatted(key(), String.join(", ", missing), best(cpu).key()));
        }
        if (!NativeLibrary.isBuilt(this)) {
            throw new UnsupportedOperationException(
                    "instruction set %s was requested, but this build has no %s: build again with g++ 11 and binutils 2.36 or newer on the path, or request %s"
                            .formatted(key(), NativeLibrary.fileName(this), best(cpu).key()));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class NativeBuildTest {

    @Test
    void withoutACompilerTheBuildSucceedsWithAMessage(@TempDir Path folder)
            throws IOException, InterruptedException {
        String output = build("no-such-compiler", folder);
        assertEquals(1, output.lines().count());
        assertTrue(output.contains("install g++ 11 or newer"), output);
        assertTrue(output.contains("the Vector API kernels are used instead"), output);
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(0, files.count());
        }
    }

    @Test
    void onlyWhatTheCompilerOrItsAssemblerDoesNotKnowIsLeftOut(@TempDir Path folder)
            throws IOException, InterruptedException {
        Path compiler =
                Files.writeString(
                        folder.resolve("compiler"),
                        """
                        #!/usr/bin/env bash
                        case " $* " in
                          *" -dumpmachine "*) echo x86_64-linux-gnu; exit ;;
                          *" -mavx512bf16 "*) echo "g++: error: unknown option" >&2; exit 1 ;;
                        esac
                        [[ " $* " != *" - "* ]] || source=$(cat)
                        if [[ ${source:-} == *"{vex}"* ]]; then
                          printf 'Assembler messages:\\n1: Error: no such instruction\\n' >&2
                          exit 1
                        fi
                        while [ "$1" != -o ]; do shift; done
                        echo library >"$2"
                        """);
        assertTrue(compiler.toFile().setExecutable(true));
        Path libraries = Files.createDirectory(folder.resolve("libraries"));
        Files.createFile(libraries.resolve("liblockstep-avxvnni.so"));
        assertEquals(
                "native kernels are built without avx512bf16 (g++: error: unknown option) avxvnni (1: Error: no such instruction): install g++ 11 and binutils 2.36 or newer\n",
                build(compiler.toString(), libraries));
        try (Stream<Path> files = Files.list(libraries)) {
            assertEquals(
                    Set.of(
                            "liblockstep-avx2.so",
                            "liblockstep-avx512.so",
                            "liblockstep-avx512vnni.so"),
                    files.map(file -> file.getFileName().toString()).collect(Collectors.toSet()));
        }
    }

    /// Returns what the build of the libraries in `folder` prints.
    private static String build(String compiler, Path folder)
            throws IOException, InterruptedException {
        ProcessBuilder build =
                new ProcessBuilder("bash", "src/main/cpp/build.sh", folder.toString())
                        .redirectErrorStream(true);
        build.environment().put("CXX", compiler);
        Process process = build.start();
        var output = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertEquals(0, process.waitFor(), output);
        return output;
    }

    @Test
    void everyMissingCpuFlagIsReported() {
        CpuFeatures old =
                CpuFeatures.parse(
                        List.of(
                                "model name\t: Some CPU",
                                "flags\t\t: fpu avx512f avx512bw avx512_vnni"));
        assertEquals("Some CPU", old.name());
        assertEquals(
                Set.of("avx512cd", "avx512vl", "avx512dq"),
                old.missing(InstructionSet.AVX512_VNNI));
        assertEquals(Set.of(), old.missing(InstructionSet.VECTOR_API));
        CpuFeatures arm = CpuFeatures.parse(List.of("Features\t: fp asimd asimddp"));
        assertEquals(Set.of("i8mm"), arm.missing(InstructionSet.NEON));
    }

    @Test
    void aCpuGetsTheBestInstructionSetThatItHas() {
        String laptop = "flags : avx2 fma f16c bmi1 bmi2 abm movbe";
        assertEquals(InstructionSet.AVX2, best(laptop));
        assertEquals(InstructionSet.AVX_VNNI, best(laptop + " avx_vnni"));
        String server = laptop + " avx512f avx512bw avx512cd avx512vl avx512dq";
        assertEquals(InstructionSet.AVX512, best(server));
        assertEquals(InstructionSet.AVX512_VNNI, best(server + " avx512_vnni"));
        assertEquals(InstructionSet.AVX512_BF16, best(server + " avx512_vnni avx512_bf16"));
        assertEquals(InstructionSet.VECTOR_API, best("flags : avx2"));
    }

    /// The scripts start a worker without the Vector API where they say yes.
    @Test
    void scriptsKnowWhatTheLeastNativeKernelsNeed(@TempDir Path folder) throws Exception {
        assertTrue(scriptsFindThatItRuns(InstructionSet.AVX2, "flags\t\t: ", "", folder));
        assertTrue(scriptsFindThatItRuns(InstructionSet.NEON, "Features\t: ", "", folder));
        for (String flag : InstructionSet.AVX2.cpuFlags()) {
            assertFalse(scriptsFindThatItRuns(InstructionSet.AVX2, "flags\t\t: ", flag, folder));
        }
        for (String flag : InstructionSet.NEON.cpuFlags()) {
            assertFalse(scriptsFindThatItRuns(InstructionSet.NEON, "Features\t: ", flag, folder));
        }
    }

    /// @param missing the flag that the CPU lacks, or empty
    private static boolean scriptsFindThatItRuns(
            InstructionSet set, String key, String missing, Path folder) throws Exception {
        Path libraries = Files.createTempDirectory(folder, "native");
        Path cpu = libraries.resolve("cpuinfo");
        var flags = new TreeSet<>(set.cpuFlags());
        flags.remove(missing);
        Files.writeString(
                cpu, "processor\t: 0\n" + key + "fpu " + String.join(" ", flags) + "\n\n");
        assertFalse(scriptsFindThatItRuns(libraries, cpu), "no library is built");
        String machine = set == InstructionSet.NEON ? "linux-aarch64" : "linux-x86_64";
        Path library = libraries.resolve(machine).resolve(NativeLibrary.fileName(set));
        Files.createDirectories(library.getParent());
        Files.createFile(library);
        return scriptsFindThatItRuns(libraries, cpu);
    }

    private static boolean scriptsFindThatItRuns(Path libraries, Path cpu) throws Exception {
        Process bash =
                new ProcessBuilder(
                                "bash",
                                "-uc",
                                ". ../scripts/environment && can_run_native_kernels \"$@\"",
                                "bash",
                                libraries.toString(),
                                cpu.toString())
                        .inheritIO()
                        .start();
        int status = bash.waitFor();
        assertTrue(status <= 1, "bash ended with " + status);
        return status == 0;
    }

    private static InstructionSet best(String flags) {
        assumeTrue(
                NativeLibrary.isBuilt(InstructionSet.AVX2),
                "skipped: the build had no C++ compiler for this machine");
        return InstructionSet.best(CpuFeatures.parse(List.of(flags)));
    }

    @Test
    void anUnsupportedInstructionSetIsRefusedWithTheRemedy() {
        CpuFeatures old = CpuFeatures.parse(List.of("flags : fpu"));
        UnsupportedOperationException refused =
                assertThrows(
                        UnsupportedOperationException.class,
                        () -> InstructionSet.AVX512_VNNI.require(old));
        assertEquals(
                "instruction set avx512_vnni was requested, but this CPU lacks avx512_vnni, avx512bw, avx512cd, avx512dq, avx512f, avx512vl: request vector_api, or none",
                refused.getMessage());
    }
}

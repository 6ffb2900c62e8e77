// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.cuda.CudaLibraries;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.nccl.Nccl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Models on CUDA devices with a process for each rank, as in production, which two ranks on one
/// device need where NCCL must take it for two.
@Tag("gpu")
@Tag("processes")
@Tag("ranks")
final class CudaGoldenProcessTest {
    private static final int RANKS = 2;

    /// Only a hang takes longer, however busy the machine is.
    private static final int HANG_MINUTES = 10;

    @TempDir private Path folder;

    static List<String> families() {
        return Boolean.getBoolean("lockstep.long")
                ? List.of("llama", "qwen3", "gemma3", "qwen3-moe")
                : List.of("llama");
    }

    @ParameterizedTest
    @MethodSource("families")
    void ranksInProcessesGiveTheRecordedLogitsAndIds(String name) throws Exception {
        CudaUnderTest.assumeRankProcesses(RANKS);
        Path model = Fixtures.require("models/" + name);
        CudaLibraries.open(CudaUnderTest.search(), CudaUnderTest.cache(), true);
        byte[] id = Nccl.uniqueId();
        List<Process> ranks = new ArrayList<>();
        try {
            for (int rank = 0; rank < RANKS; rank++) {
                ranks.add(fork(model, rank, id));
            }
            for (int rank = 0; rank < RANKS; rank++) {
                Process process = ranks.get(rank);
                assertTrue(process.waitFor(HANG_MINUTES, TimeUnit.MINUTES), output(rank));
                assertEquals(0, process.exitValue(), output(rank));
            }
        } finally {
            ranks.forEach(Process::destroyForcibly);
        }
    }

    private Process fork(Path model, int rank, byte[] id) throws IOException {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx512m"));
        command.addAll(CudaUnderTest.jvmOptions());
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        GoldenRank.class.getName(),
                        model.toString(),
                        Integer.toString(rank),
                        Integer.toString(RANKS),
                        HexFormat.of().formatHex(id)));
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("rank" + rank).toFile());
        builder.environment().putAll(CudaUnderTest.rankEnvironment(rank, RANKS));
        return builder.start();
    }

    private String output(int rank) throws IOException {
        return "rank %d: %s".formatted(rank, Files.readString(folder.resolve("rank" + rank)));
    }
}

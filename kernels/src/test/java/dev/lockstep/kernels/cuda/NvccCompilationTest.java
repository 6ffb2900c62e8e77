// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/// nvcc compiles every variant of every kernel that NVRTC compiles, without a warning, so that the
/// sources stay within what both accept.
@Tag("processes")
@EnabledIfSystemProperty(
        named = "lockstep.long",
        matches = "true",
        disabledReason = "scripts/test --long installs nvcc and runs it")
final class NvccCompilationTest {
    private static final Path NVCC =
            Path.of(
                    System.getProperty("user.home"),
                    ".cache/lockstep/nvcc-13.0.88/nvidia/cu13/bin/nvcc");

    @TempDir private Path folder;

    @Test
    void nvccCompilesWhatNvrtcDoes() throws IOException, InterruptedException, ExecutionException {
        assertTrue(Files.isExecutable(NVCC), "no nvcc in " + NVCC);
        int threads = Runtime.getRuntime().availableProcessors();
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            var compiled = new ArrayList<Future<String>>();
            for (KernelVariant variant : KernelVariant.all()) {
                compiled.add(executor.submit(() -> compile(variant)));
            }
            for (Future<String> each : compiled) {
                assertEquals("", each.get());
            }
        }
    }

    /// Returns what nvcc says.
    private String compile(KernelVariant variant) throws IOException, InterruptedException {
        var command =
                new ArrayList<>(
                        List.of(
                                NVCC.toString(),
                                "-std=c++17",
                                "-O3",
                                "-fatbin",
                                "-Werror=all-warnings"));
        for (String architecture : KernelCompilationTest.ARCHITECTURES) {
            String number = architecture.substring("sm_".length());
            command.add("-gencode=arch=compute_%s,code=sm_%s".formatted(number, number));
        }
        command.addAll(variant.options());
        command.add("-o");
        command.add(Files.createTempFile(folder, variant.file(), ".fatbin").toString());
        command.add(written(KernelSources.of(variant.file())).toString());
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        return status == 0 && said.isBlank()
                ? ""
                : "%s: status %d, %s".formatted(variant.label(), status, said);
    }

    /// Writes a program and its headers, one of which is in no folder, and returns the program.
    private Path written(KernelSource source) throws IOException {
        Path own = Files.createTempDirectory(folder, "source");
        for (Map.Entry<String, String> header : source.headers().entrySet()) {
            Files.writeString(own.resolve(header.getKey()), header.getValue());
        }
        return Files.writeString(own.resolve(source.name()), source.text());
    }
}

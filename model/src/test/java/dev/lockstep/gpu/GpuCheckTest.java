// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.gpu.WatchedProcess.Ending;
import dev.lockstep.gpu.WatchedProcess.Result;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The check of a GPU itself, on emulated libraries that it takes for those of a machine.
@Tag("processes")
final class GpuCheckTest {
    private static final Duration LONGEST_START = Duration.ofMinutes(1);

    @TempDir private Path folder;

    @BeforeAll
    static void build() {
        EmulatedCuda.folder();
    }

    @Test
    void testsOfOneAndOfTwoRanksRunOnOneDeviceAndAreReported() throws Exception {
        Fixtures.require("gguf/llama-BF16.gguf");
        List<String> output = check(Map.of(), "--only=llamaInBf16|CudaGoldenProcessTest");
        assertEquals("0", output.getLast(), output.toString());
        JsonNode report = report();
        assertTrue(report.get("passed").booleanValue(), report.toString());
        JsonNode facts = report.get("facts");
        assertEquals("1", facts.get("devices").textValue());
        assertEquals("22703", facts.get("NCCL").textValue());
        assertEquals(
                "on one GPU by NCCL_HOSTID, where ranks are processes",
                facts.get("two ranks").textValue());
        var steps = new ArrayList<String>();
        for (JsonNode step : report.get("steps")) {
            steps.add(step.get("name").textValue());
            assertTrue(step.get("passed").intValue() > 0, step.toString());
            assertEquals(0, step.get("skips").size(), step.toString());
        }
        assertEquals(List.of("CudaGoldenProcessTest, several ranks", "CudaGoldenTest"), steps);
    }

    @Test
    void aMachineWithoutAUsableGpuIsReportedWithTheRemedy() throws Exception {
        List<String> output = check(Map.of("CUDA_EMULATION_DRIVER", "12080"));
        assertEquals("78", output.getLast(), output.toString());
        JsonNode facts = report().get("facts");
        assertEquals("install driver 580 or newer", facts.get("remedy").textValue());
        assertEquals(
                "this machine has no GPU that can be checked", facts.get("problem").textValue());
    }

    @Test
    void aTestThatHangsIsCutOffAndNamed() {
        // Only the start of a JVM must be faster, which a busy machine delays.
        Duration silence = Duration.ofSeconds(5);
        CheckedStep step = hanging(silence);
        while (!step.note().contains("allocates") && silence.compareTo(LONGEST_START) < 0) {
            silence = silence.multipliedBy(4);
            step = hanging(silence);
        }
        assertEquals("hung and was cut off in allocates()", step.note());
        assertEquals(CheckedStep.Outcome.CUT_OFF, step.outcome());
    }

    /// Returns a step that hangs and was cut off after such a silence.
    private CheckedStep hanging(Duration silence) {
        var step = new CheckedStep("one");
        Result result =
                WatchedProcess.run(
                        HangingStep.class,
                        List.of(),
                        Map.of("CUDA_EMULATION_FAULTS", "cuMemAlloc_v2:1:hang"),
                        folder.resolve("one.log"),
                        silence,
                        System.nanoTime() + Duration.ofMinutes(10).toNanos(),
                        step::accept);
        step.end(result, silence);
        assertEquals(Ending.SILENT, result.ending());
        return step;
    }

    private JsonNode report() throws IOException {
        return new ObjectMapper().readTree(folder.resolve("report.json").toFile());
    }

    /// Returns the lines that a check prints on a machine with one device, and its exit status.
    private List<String> check(Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        Path libraries = EmulatedCuda.folder();
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Dlockstep.cuda=device",
                        "-Dlockstep.cuda.libraries=" + libraries,
                        "-Dlockstep.cuda.cache=" + libraries.resolve("bytedeco")));
        String fixtures = System.getProperty("lockstep.fixtures");
        if (fixtures != null) {
            command.add("-Dlockstep.fixtures=" + fixtures);
        }
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        GpuCheck.class.getName(),
                        "--report=" + folder));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("CUDA_EMULATION_DEVICES", "1");
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            var lines = new ArrayList<String>(process.inputReader().readAllLines());
            lines.add(Integer.toString(process.waitFor()));
            return lines;
        } finally {
            process.destroyForcibly();
        }
    }
}

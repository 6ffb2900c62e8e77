// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.GgufFuzz;
import dev.lockstep.checkpoint.SafetensorsFuzz;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// Every reader reads or refuses any bytes soon, in memory that the file's size bounds.
///
/// The tests are here and not beside the readers because fuzzing takes too long for unit tests.
/// Other tests may run at the same time: the limits count CPU time, or catch a hang. Each finding
/// becomes a test beside the reader.
final class FuzzingIT {
    private static final Duration EACH =
            Duration.ofSeconds(Boolean.getBoolean("lockstep.long") ? 600 : 30);

    /// The limit for the wall time of one input, which only a hang exceeds: [Bounds] limits its CPU
    /// time.
    private static final Duration MAX_INPUT_TIME = Duration.ofMinutes(2);

    /// The limit for the CPU time of a fuzzer, which a busy machine does not change: beside
    /// fuzzing, the start and the compiler's threads need some. About 27 s are normal for 30 s of
    /// fuzzing.
    private static final Duration MAX_CPU_TIME = EACH.multipliedBy(3).plusMinutes(3);

    /// The limit for the wall time, in case a fuzzer waits for ever and uses no CPU time.
    private static final Duration MAX_WALL_TIME = EACH.multipliedBy(2).plusMinutes(15);

    private static final int CONCURRENT = 2;
    private static final int MAX_INPUT_BYTES = 4096;

    @TempDir private Path folder;

    @FunctionalInterface
    private interface Seeding {
        void writeInto(Path folder) throws IOException;
    }

    private record Fuzzer(Class<?> target, Seeding seeds) {}

    @TestFactory
    Stream<DynamicTest> everyInputIsReadOrRefused() {
        String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        if (!system.equals("Linux amd64")) {
            System.out.println("skipped: fuzzing runs on Linux amd64, this is " + system);
            Assumptions.abort("no fuzzer for " + system);
        }
        Map<String, Fuzzer> fuzzers = new LinkedHashMap<>();
        fuzzers.put("safetensors", new Fuzzer(SafetensorsFuzz.class, Seeds::safetensors));
        fuzzers.put("GGUF", new Fuzzer(GgufFuzz.class, Seeds::gguf));
        fuzzers.put("tokenizer.json", new Fuzzer(TokenizerJsonFuzz.class, Seeds::tokenizerJson));
        fuzzers.put("Jinja", new Fuzzer(TemplateFuzz.class, Seeds::templates));
        fuzzers.put("constraints", new Fuzzer(GrammarFuzz.class, Seeds::constraints));
        ExecutorService threads = Executors.newFixedThreadPool(CONCURRENT);
        List<DynamicTest> tests = new ArrayList<>();
        fuzzers.forEach(
                (name, fuzzer) -> {
                    Future<?> run = threads.submit(() -> fuzz(fuzzer));
                    tests.add(DynamicTest.dynamicTest(name, run::get));
                });
        return tests.stream().onClose(threads::shutdownNow);
    }

    private boolean fuzz(Fuzzer fuzzer) throws Exception {
        Path own = Files.createDirectory(folder.resolve(fuzzer.target().getSimpleName()));
        Path corpus = Files.createDirectory(own.resolve("corpus"));
        fuzzer.seeds().writeInto(corpus);
        Path log = own.resolve("log");
        Process process =
                new ProcessBuilder(command(fuzzer.target(), own, corpus))
                        .directory(own.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        try {
            long start = System.nanoTime();
            while (!process.waitFor(1, TimeUnit.SECONDS)) {
                Duration cpuTime = process.info().totalCpuDuration().orElse(Duration.ZERO);
                Duration wallTime = Duration.ofNanos(System.nanoTime() - start);
                assertTrue(
                        cpuTime.compareTo(MAX_CPU_TIME) <= 0
                                && wallTime.compareTo(MAX_WALL_TIME) <= 0,
                        () ->
                                "does not end after %s of CPU time, %s of wall time; %s"
                                        .formatted(cpuTime, wallTime, findings(own, log)));
            }
            assertEquals(0, process.exitValue(), () -> findings(own, log));
        } finally {
            process.destroyForcibly();
        }
        String output = Files.readString(log);
        assertTrue(output.contains("Done "), output);
        output.lines()
                .filter(line -> line.startsWith("Done "))
                .forEach(line -> System.out.println(fuzzer.target().getSimpleName() + ": " + line));
        return true;
    }

    private static List<String> command(Class<?> target, Path own, Path corpus) {
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:+EnableDynamicAgentLoading",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                "com.code_intelligence.jazzer.Jazzer",
                "--target_class=" + target.getName(),
                "--instrumentation_includes=dev.lockstep.**",
                "--custom_hook_includes=dev.lockstep.**",
                // A tokenizer file contains regular expressions; their steps are limited.
                "--disabled_hooks=com.code_intelligence.jazzer.sanitizers.RegexInjection",
                "--reproducer_path=" + own,
                "-artifact_prefix=" + own + "/",
                "-max_total_time=" + EACH.toSeconds(),
                "-max_len=" + MAX_INPUT_BYTES,
                "-timeout=" + MAX_INPUT_TIME.toSeconds(),
                "-print_final_stats=1",
                corpus.toString());
    }

    /// Returns the end of the fuzzer's output, and every input it stored, as hexadecimal digits for
    /// a test.
    private static String findings(Path own, Path log) {
        try (Stream<Path> files = Files.list(own)) {
            List<String> lines = Files.readAllLines(log);
            var text = new StringBuilder();
            lines.subList(Math.max(0, lines.size() - 60), lines.size())
                    .forEach(line -> text.append(line).append('\n'));
            for (Path file :
                    files.filter(
                                    path ->
                                            path.getFileName()
                                                    .toString()
                                                    .matches("(crash|timeout|oom)-.*"))
                            .toList()) {
                text.append(file.getFileName()).append(": ");
                text.append(HexFormat.of().formatHex(Files.readAllBytes(file))).append('\n');
            }
            return text.toString();
        } catch (IOException e) {
            return "no log: " + e.getMessage();
        }
    }
}

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

/// Whatever bytes a reader gets, it reads or refuses them soon, within memory that the file's size
/// bounds.
///
/// Here and not beside the readers because nothing else runs at this point of the build: two
/// fuzzers at a time have its two cores. What they find becomes a test beside the reader.
final class FuzzingIT {
    private static final Duration EACH =
            Duration.ofSeconds(Boolean.getBoolean("lockstep.long") ? 600 : 30);

    /// What a JVM needs to start, to instrument our classes and to end.
    private static final Duration OVERHEAD = Duration.ofMinutes(2);

    /// An input that takes longer hangs: most take a millisecond, but the machine may be busy.
    private static final Duration SLOWEST = Duration.ofSeconds(30);

    private static final int AT_ONCE = 2;
    private static final int LONGEST_INPUT = 4096;

    @TempDir private Path folder;

    @FunctionalInterface
    private interface Seeding {
        void writeInto(Path folder) throws IOException;
    }

    private record Fuzzer(Class<?> target, Seeding seeds) {}

    @TestFactory
    Stream<DynamicTest> noInputBreaksAReader() {
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
        ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE);
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
            boolean ended =
                    process.waitFor(
                            EACH.plus(SLOWEST).plus(OVERHEAD).toMillis(), TimeUnit.MILLISECONDS);
            assertTrue(ended, () -> "does not end; " + findings(own, log));
            assertEquals(0, process.exitValue(), () -> findings(own, log));
        } finally {
            process.destroyForcibly();
        }
        String said = Files.readString(log);
        assertTrue(said.contains("Done "), said);
        said.lines()
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
                // A tokenizer file brings regular expressions; they run on a budget.
                "--disabled_hooks=com.code_intelligence.jazzer.sanitizers.RegexInjection",
                "--reproducer_path=" + own,
                "-artifact_prefix=" + own + "/",
                "-max_total_time=" + EACH.toSeconds(),
                "-max_len=" + LONGEST_INPUT,
                "-timeout=" + SLOWEST.toSeconds(),
                "-print_final_stats=1",
                corpus.toString());
    }

    /// The end of what the fuzzer said, and every input it kept, as hexadecimal digits to make a
    /// test of.
    private static String findings(Path own, Path log) {
        try (Stream<Path> files = Files.list(own)) {
            List<String> lines = Files.readAllLines(log);
            StringBuilder text = new StringBuilder();
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

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import dev.lockstep.gpu.WatchedProcess.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/// Checks Lockstep on the GPUs of this machine: prints facts, runs every test class with the tag
/// `gpu` in a process of its own, and ends with a table. The whole takes no longer than it may.
final class GpuCheck {
    /// NCCL lets two ranks share a device from this version on, 2.30.3.
    private static final int SHARES_DEVICES = 23003;

    private static final int FAILED = 1;

    private final Options options;
    private final long startNanos = System.nanoTime();
    private final Map<String, String> facts = new LinkedHashMap<>();
    private final List<CheckedStep> steps = new ArrayList<>();

    private GpuCheck(Options options) {
        this.options = options;
    }

    /// @param folder for the report and the output of every process
    /// @param limit of the whole check
    /// @param silence the longest time that a test may take
    /// @param only the names of the classes that run
    private record Options(Path folder, Duration limit, Duration silence, Pattern only) {

        static Options parse(String[] arguments) {
            Path folder = Path.of("gpu-check-report");
            Duration limit = Duration.ofSeconds(460);
            Duration silence = Duration.ofSeconds(60);
            Pattern only = Pattern.compile("");
            for (String argument : arguments) {
                int equals = argument.indexOf('=');
                String value = argument.substring(equals + 1);
                switch (equals < 0 ? argument : argument.substring(0, equals)) {
                    case "--report" -> folder = Path.of(value);
                    case "--seconds" -> limit = Duration.ofSeconds(Integer.parseInt(value));
                    case "--silence" -> silence = Duration.ofSeconds(Integer.parseInt(value));
                    case "--only" -> only = Pattern.compile(value);
                    default ->
                            throw new IllegalArgumentException(
                                    "%s is none of --report=FOLDER, --seconds=N, --silence=N, --only=PATTERN"
                                            .formatted(argument));
                }
            }
            return new Options(folder, limit, silence, only);
        }
    }

    public static void main(String[] arguments) throws IOException {
        Options options = Options.parse(arguments);
        Files.createDirectories(options.folder());
        System.exit(new GpuCheck(options).run());
    }

    private int run() {
        Result found =
                watch(
                        "facts",
                        GpuFacts.class,
                        List.of(),
                        Map.of(),
                        line -> {
                            facts.put(line.name(), line.text());
                            System.out.printf("%-20s %s%n", line.name(), line.text());
                        });
        if (found.cutOff() || found.code() != 0) {
            found.output().forEach(System.out::println);
            System.out.println(
                    found.cutOff()
                            ? "looking for a GPU hung and was cut off"
                            : "this machine has no GPU that can be checked");
            return GpuFacts.UNUSABLE;
        }
        Map<String, String> shared = environmentOfRanks();
        runAll(TaggedTests.ALONE, Map.of());
        runAll(TaggedTests.RANKS, shared);
        var report = new CheckReport(facts, steps);
        Path json = options.folder().resolve("report.json");
        report.write(json);
        System.out.printf("%nreport: %s%n%n%s", json.toAbsolutePath(), report.table());
        return report.passed() ? 0 : FAILED;
    }

    /// Returns what lets two ranks share the only device, if NCCL can do so.
    private Map<String, String> environmentOfRanks() {
        int version = Integer.parseInt(facts.getOrDefault(GpuFacts.NCCL, "0"));
        boolean shares = facts.getOrDefault(GpuFacts.DEVICES, "1").equals("1");
        return shares && version >= SHARES_DEVICES
                ? Map.of(
                        "NCCL_MULTI_RANK_GPU_ENABLE", "1",
                        "NCCL_MAX_CTAS", "4",
                        "NCCL_NVLS_ENABLE", "0")
                : Map.of();
    }

    private void runAll(String kind, Map<String, String> environment) {
        var classes = new ArrayList<String>();
        Result listed =
                watch(
                        "list-" + kind,
                        TaggedTests.class,
                        List.of(kind),
                        Map.of(),
                        line -> classes.add(line.name()));
        if (listed.cutOff() || listed.code() != 0) {
            var step = new CheckedStep("list of tests, " + kind);
            step.end(listed, Duration.ZERO);
            steps.add(step);
        }
        for (String each : classes) {
            String simple = each.substring(each.lastIndexOf('.') + 1);
            String name = kind.equals(TaggedTests.RANKS) ? simple + ", several ranks" : simple;
            if (options.only().matcher(simple).find()) {
                steps.add(step(name, kind, each, environment));
            }
        }
    }

    private CheckedStep step(
            String name, String kind, String tests, Map<String, String> environment) {
        if (left().compareTo(Duration.ZERO) <= 0) {
            return CheckedStep.notRun(name, "no time was left");
        }
        var step = new CheckedStep(name);
        long start = System.nanoTime();
        Result result =
                watch(
                        name.replaceAll("\\W+", "-"),
                        TaggedTests.class,
                        List.of(kind, tests),
                        environment,
                        step::accept);
        step.end(result, Duration.ofNanos(System.nanoTime() - start));
        System.out.printf(
                "%-44s %3d passed, %d skipped, %d failed, %.1f s %s%n",
                name,
                step.passed(),
                step.skipped(),
                step.failures().size(),
                step.time().toMillis() / 1e3,
                step.note());
        return step;
    }

    private Result watch(
            String log,
            Class<?> main,
            List<String> arguments,
            Map<String, String> environment,
            Consumer<Line> lines) {
        return WatchedProcess.run(
                main,
                arguments,
                environment,
                options.folder().resolve(log + ".log"),
                options.silence(),
                startNanos + options.limit().toNanos(),
                lines);
    }

    private Duration left() {
        return options.limit().minusNanos(System.nanoTime() - startNanos);
    }
}

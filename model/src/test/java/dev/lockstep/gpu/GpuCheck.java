// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import dev.lockstep.gpu.WatchedProcess.Ending;
import dev.lockstep.gpu.WatchedProcess.Result;
import dev.lockstep.kernels.cuda.CudaLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// Checks Lockstep on the GPUs of this machine: prints facts, runs every test class with the tag
/// `gpu` in a process of its own, and ends with a table. The whole takes no longer than it may.
final class GpuCheck {
    /// NCCL lets two ranks share a device from this version on, 2.30.
    private static final int SHARES_DEVICES = 23000;

    private static final int FAILED = 1;
    private static final int MISUSED = 2;

    /// As the launcher sets them for the ranks of one host.
    private static final Map<String, String> ONE_HOST =
            Map.of(
                    "NCCL_DEBUG", "WARN",
                    "NCCL_SOCKET_IFNAME", "lo",
                    "NCCL_RAS_ENABLE", "0",
                    "NCCL_NVLS_ENABLE", "0");

    private final CheckOptions options;
    private final long startNanos = System.nanoTime();
    private final Map<String, String> facts = new LinkedHashMap<>();
    private final List<CheckedStep> steps = new ArrayList<>();

    private GpuCheck(CheckOptions options) {
        this.options = options;
    }

    public static void main(String[] arguments) throws IOException {
        CheckOptions options;
        try {
            options = CheckOptions.parse(arguments);
        } catch (IllegalArgumentException misuse) {
            System.err.println("gpu-check: " + misuse.getMessage());
            System.exit(MISUSED);
            return;
        }
        Files.createDirectories(options.folder());
        System.exit(new GpuCheck(options).run());
    }

    private int run() {
        fact("bundle", System.getProperty("lockstep.bundle", "none, a build"));
        fact("Java", System.getProperty("java.vm.version"));
        fact(
                "system",
                "%s %s".formatted(System.getProperty("os.name"), System.getProperty("os.version")));
        Result found = watch("facts", GpuFacts.class, List.of(), Map.of(), this::found);
        if (found.ending() != Ending.EXITED || found.code() != 0) {
            found.output().forEach(System.out::println);
            fact("problem", problem(found));
            write(true);
            return found.code() == GpuFacts.UNUSABLE ? GpuFacts.UNUSABLE : FAILED;
        }
        runAll();
        CheckReport report = write(true);
        System.out.printf("%nreport: %s%n%n%s", json().toAbsolutePath(), report.table());
        return report.passed() ? 0 : FAILED;
    }

    private static String problem(Result facts) {
        if (facts.ending() != Ending.EXITED) {
            return "the search for a GPU hung and was cut off";
        }
        String last = facts.output().isEmpty() ? "" : ": " + facts.output().getLast();
        return facts.code() == GpuFacts.UNUSABLE
                ? "this machine has no GPU that can be checked"
                : "the first GPU cannot be opened, status %d%s".formatted(facts.code(), last);
    }

    private void found(Line line) {
        fact(line.name(), line.text());
    }

    private void fact(String name, String value) {
        facts.put(name, value);
        System.out.printf("%-20s %s%n", name, value);
    }

    /// Runs the classes whose tests need one rank, and then those whose tests need several.
    private void runAll() {
        var alone = new ArrayList<String>();
        var ranks = new ArrayList<String>();
        Result listed =
                watch(
                        "list",
                        TaggedTests.class,
                        List.of(options.only().pattern()),
                        Map.of(),
                        line ->
                                (line.text().equals(TaggedTests.RANKS) ? ranks : alone)
                                        .add(line.name()));
        if (listed.ending() != Ending.EXITED || listed.code() != 0) {
            var step = new CheckedStep("list of tests");
            step.end(listed, Duration.ZERO);
            add(step);
        }
        alone.forEach(each -> add(step(simple(each), TaggedTests.ALONE, each, Map.of())));
        if (ranks.isEmpty()) {
            return;
        }
        if (!facts.containsKey(GpuFacts.NCCL)) {
            add(CheckedStep.notRun("several ranks", CudaLibrary.NCCL.soname() + " was not found"));
            return;
        }
        Map<String, String> environment = environmentOfRanks();
        for (String each : ranks) {
            add(step(simple(each) + ", several ranks", TaggedTests.RANKS, each, environment));
        }
    }

    /// Returns what lets NCCL connect ranks on this host; what a user has set stays. Two ranks
    /// share the only device if NCCL can do so; else tests whose ranks are processes name two
    /// hosts.
    private Map<String, String> environmentOfRanks() {
        var environment = new HashMap<String, String>(ONE_HOST);
        String how = "a GPU each";
        if (facts.getOrDefault(GpuFacts.DEVICES, "1").equals("1")) {
            if (Integer.parseInt(facts.getOrDefault(GpuFacts.NCCL, "0")) >= SHARES_DEVICES) {
                environment.put("NCCL_MULTI_RANK_GPU_ENABLE", "1");
                environment.put("NCCL_MAX_CTAS", "4");
                how = "on one GPU by NCCL_MULTI_RANK_GPU_ENABLE";
            } else {
                how = "on one GPU by NCCL_HOSTID, where ranks are processes";
            }
        }
        fact("two ranks", how);
        environment.keySet().removeAll(System.getenv().keySet());
        return environment;
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
                        List.of(options.only().pattern(), kind, tests),
                        environment,
                        step::accept);
        step.end(result, Duration.ofNanos(System.nanoTime() - start));
        return step;
    }

    private void add(CheckedStep step) {
        steps.add(step);
        System.out.printf(
                "%-44s %3d passed, %d skipped, %d failed, %.1f s %s%n",
                step.name(),
                step.passed(),
                step.skips().size(),
                step.failures().size(),
                step.time().toMillis() / 1e3,
                step.note());
        write(false);
    }

    private static String simple(String name) {
        return name.substring(name.lastIndexOf('.') + 1);
    }

    /// Writes what is known so far, so that a check that is ended leaves it.
    private CheckReport write(boolean complete) {
        var report = new CheckReport(facts, steps, complete);
        report.write(json());
        return report;
    }

    private Path json() {
        return options.folder().resolve("report.json");
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

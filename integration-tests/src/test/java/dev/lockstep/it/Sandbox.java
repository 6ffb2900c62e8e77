package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Where the processes of one test live: a folder for what they write, and a group name nobody else
/// uses. Closed by the test; whatever still runs then is killed, but nothing that others started.
///
/// The folder stays until [LogsOnFailure] has looked at it.
final class Sandbox implements AutoCloseable {
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");
    private static final Pattern RESIDENT = Pattern.compile("VmRSS:\\s+(\\d+) kB");
    private static final Path PROC = Path.of("/proc");

    /// Processes that serve a tiny model for some seconds gain nothing from the optimizing
    /// compiler, and the tests start more than a hundred: this saves a third of their time.
    private static final String NO_OPTIMIZER = "-XX:TieredStopAtLevel=1";

    private final boolean quick;
    private final String jvmOptions;
    private final Path folder;
    private final String group;
    private final List<LockstepProcess> processes = new CopyOnWriteArrayList<>();
    private final Thread lastResort;
    private volatile boolean closed;

    private Sandbox(boolean quick) {
        this.quick = quick;
        try {
            // Short: a Unix socket's path may have 107 bytes.
            folder = Files.createTempDirectory("lockstep-it-");
            Files.createDirectory(temporaryFolder());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        group = "it-" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
        jvmOptions = quick ? NO_OPTIMIZER + " -Djava.io.tmpdir=" + temporaryFolder() : "";
        lastResort = new Thread(this::destroyAll, "sandbox-last-resort");
        Runtime.getRuntime().addShutdownHook(lastResort);
        LogsOnFailure.watch(this);
    }

    /// For processes as users start them.
    static Sandbox plain() {
        return new Sandbox(false);
    }

    /// For processes that start quickly and need not be fast.
    static Sandbox quick() {
        return new Sandbox(true);
    }

    /// Run folder of the processes, and where their output goes.
    Path folder() {
        return folder;
    }

    /// What `serve` is told beside: several quick clusters run at once, so with more compute
    /// threads than cores none of them spins.
    List<String> threads() {
        int cores = Runtime.getRuntime().availableProcessors();
        return quick ? List.of("--threads=" + (cores + 1)) : List.of();
    }

    /// What the processes of a quick sandbox take for the system's temporary folder.
    private Path temporaryFolder() {
        return folder.resolve("t");
    }

    /// What they left there.
    List<String> temporaryFiles() {
        return names(temporaryFolder()).toList();
    }

    /// A group name that shows in the names of shared memory.
    String group() {
        return group;
    }

    /// Starts `lockstep command arguments…`.
    LockstepProcess start(String name, String command, List<String> arguments) {
        if (closed) {
            throw new IllegalStateException("the sandbox is closed");
        }
        LockstepProcess process =
                LockstepProcess.start(
                        name, folder, Distribution.command(command, arguments), jvmOptions);
        processes.add(process);
        return process;
    }

    /// What is left of the processes of this sandbox, in words: processes and shared memory.
    List<String> leftovers() {
        List<String> left = new ArrayList<>();
        processIds().forEach(id -> left.add("process " + id));
        names(SHARED_MEMORY).filter(name -> name.contains(group)).forEach(left::add);
        return left;
    }

    private static Stream<String> names(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(Path::toString).toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Every process of ours was told the folder, the launcher's children too.
    private List<Long> processIds() {
        try (Stream<Path> entries = Files.list(PROC)) {
            return entries.filter(entry -> commandLine(entry).contains(folder.toString()))
                    .map(entry -> Long.valueOf(entry.getFileName().toString()))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// The process that runs a command, such as `scheduler`.
    long processIdOf(String command) {
        return processIds().stream()
                .filter(
                        id ->
                                commandLine(PROC.resolve(Long.toString(id)))
                                        .contains("\0" + command + "\0"))
                .findFirst()
                .orElseThrow();
    }

    /// Resident memory of the process that runs a command.
    long residentMebibytes(String command) {
        Path status = PROC.resolve(Long.toString(processIdOf(command))).resolve("status");
        try {
            for (String line : Files.readAllLines(status)) {
                Matcher resident = RESIDENT.matcher(line);
                if (resident.matches()) {
                    return Long.parseLong(resident.group(1)) / 1024;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new IllegalStateException(status + " does not tell the resident memory");
    }

    private static String commandLine(Path entry) {
        if (!Character.isDigit(entry.getFileName().toString().charAt(0))) {
            return "";
        }
        try {
            return Files.readString(entry.resolve("cmdline"), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            // It ended in this moment.
            return "";
        }
    }

    /// Waits until nothing is left.
    void awaitNothingLeft(Duration patience) throws Exception {
        Eventually.find(
                () -> "nothing is left of the cluster, but there is " + leftovers(),
                patience,
                () -> leftovers().isEmpty() ? Optional.of(true) : Optional.empty());
    }

    /// The end of everything that was written, for a person who wants to know why.
    String logs() {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(Sandbox::isLog).sorted().toList()) {
                List<String> lines = Files.readAllLines(file);
                if (!lines.isEmpty()) {
                    text.append("--- ").append(file).append('\n');
                    lines.stream()
                            .skip(Math.max(0, lines.size() - 60))
                            .forEach(line -> text.append(line).append('\n'));
                }
            }
        } catch (NoSuchFileException e) {
            return text.toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    private static boolean isLog(Path file) {
        String name = file.toString();
        return name.endsWith(".log") || name.endsWith(".out") || name.endsWith(".err");
    }

    void remove() {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void destroyAll() {
        closed = true;
        processes.reversed().forEach(LockstepProcess::destroy);
        for (long id : processIds()) {
            ProcessHandle.of(id).ifPresent(Sandbox::destroy);
        }
    }

    /// Waits, too: who still writes would make the folder anew.
    private static void destroy(ProcessHandle process) {
        boolean asked = process.destroyForcibly();
        assertTrue(asked || !process.isAlive(), () -> "cannot kill " + process.pid());
        process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
    }

    boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        destroyAll();
        Runtime.getRuntime().removeShutdownHook(lastResort);
    }
}

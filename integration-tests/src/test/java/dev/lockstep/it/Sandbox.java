// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.LoadAwareClock;
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
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The environment of one test's processes: a folder for their files, and a unique group name. The
/// test closes it, which kills its remaining processes and no others.
///
/// The folder is kept until [LogsOnFailure] has read it.
final class Sandbox implements AutoCloseable {
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");
    private static final Pattern RESIDENT = Pattern.compile("VmRSS:\\s+(\\d+) kB");
    private static final Path PROC = Path.of("/proc");
    private static final Pattern COMMAND =
            Pattern.compile("\\x00dev\\.lockstep\\.cli\\.Lockstep\\x00(\\w+)\\x00");
    private static final String SECRET = "lockstep/cluster-secret";

    /// The optimizing compiler is useless for processes that serve a tiny model for some seconds,
    /// and the tests start more than a hundred: this saves a third of their time.
    private static final String NO_OPTIMIZER = "-XX:TieredStopAtLevel=1";

    /// The commands that compute: on a host with a GPU, too, tests have them use CPUs.
    private static final Set<String> COMPUTING = Set.of("serve", "run", "worker");

    private final boolean quick;
    private final String jvmOptions;
    private final Path folder;
    private final String group;
    private final List<LockstepProcess> processes = new CopyOnWriteArrayList<>();
    private final Thread lastResort;
    private volatile boolean closed;

    private Sandbox(boolean quick, String moreOptions) {
        this.quick = quick;
        try {
            // Short, because the path of a Unix socket is limited to 107 bytes.
            folder = Files.createTempDirectory("lockstep-it-");
            Files.createDirectory(temporaryFolder());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        group = "it-" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
        jvmOptions =
                quick ? NO_OPTIMIZER + " -Djava.io.tmpdir=" + temporaryFolder() + moreOptions : "";
        lastResort = new Thread(this::destroyAll, "sandbox-last-resort");
        Runtime.getRuntime().addShutdownHook(lastResort);
        LogsOnFailure.watch(this);
    }

    /// Creates a sandbox for processes as users start them.
    static Sandbox plain() {
        return new Sandbox(false, "");
    }

    /// Creates a sandbox for processes that start fast and may run slowly.
    static Sandbox quick() {
        return new Sandbox(true, "");
    }

    /// Creates a sandbox for processes that start fast and log their debug lines.
    static Sandbox verbose() {
        return new Sandbox(true, " -Dlockstep.log.level=debug");
    }

    /// Returns the run folder of the processes, which also contains their output.
    Path folder() {
        return folder;
    }

    /// Returns the access of the processes that were started one by one.
    ClusterAccess access() {
        return ClusterAccess.of(ClusterSecret.readOrCreate(secretFile()));
    }

    /// Returns the file with the secret of those processes.
    Path secretFile() {
        return stateFolder().resolve(SECRET);
    }

    /// Returns the folder that replaces the user's folder of state.
    private Path stateFolder() {
        return folder.resolve("state");
    }

    /// Returns additional flags of `serve`: several quick clusters run at once, and with more
    /// compute threads than cores no thread spins.
    List<String> threads() {
        int cores = Runtime.getRuntime().availableProcessors();
        return quick ? List.of("--threads=" + (cores + 1)) : List.of();
    }

    /// Returns the folder that is the system's temporary folder for processes of a quick sandbox.
    private Path temporaryFolder() {
        return folder.resolve("t");
    }

    /// Returns the files in the temporary folder.
    List<String> temporaryFiles() {
        return names(temporaryFolder()).toList();
    }

    /// Returns the group name, which is part of the names of shared memory.
    String group() {
        return group;
    }

    /// Starts `lockstep command arguments…`.
    LockstepProcess start(String name, String command, List<String> arguments) {
        return start(name, command, arguments, List.of());
    }

    /// Starts `lockstep command arguments…` by another command, whose last arguments are it.
    LockstepProcess start(String name, String command, List<String> arguments, List<String> by) {
        if (closed) {
            throw new IllegalStateException("the sandbox is closed");
        }
        List<String> flags = new ArrayList<>(arguments);
        if (COMPUTING.contains(command)
                && flags.stream().noneMatch(flag -> flag.startsWith("--device"))) {
            flags.addFirst("--device=cpu");
        }
        List<String> words = new ArrayList<>(by);
        words.addAll(Distribution.command(command, flags));
        LockstepProcess process =
                LockstepProcess.start(
                        name,
                        folder,
                        words,
                        Map.of(
                                "XDG_STATE_HOME",
                                stateFolder().toString(),
                                "XDG_CACHE_HOME",
                                folder.resolve("cache").toString()),
                        jvmOptions);
        processes.add(process);
        return process;
    }

    /// Returns descriptions of the remaining processes and shared memory of this sandbox.
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

    /// Returns the processes with the folder in their command line, which include the launcher's
    /// children.
    private List<Long> processIds() {
        try (Stream<Path> entries = Files.list(PROC)) {
            return entries.filter(entry -> commandLine(entry).contains(folder.toString()))
                    .map(entry -> Long.valueOf(entry.getFileName().toString()))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Returns the process that runs a command, such as `scheduler`.
    long processIdOf(String command) {
        return processIdWith(command).orElseThrow();
    }

    /// Returns the process that runs a command if there is one.
    Optional<Long> findProcess(String command) {
        return processIdWith(command);
    }

    /// Returns the child that `serve` calls by this name, such as `scheduler-2`.
    long processIdNamed(String child) {
        return findProcessNamed(child).orElseThrow();
    }

    /// Returns that child if there is one.
    Optional<Long> findProcessNamed(String child) {
        return processIdWith("-Dlockstep.process=" + child);
    }

    private Optional<Long> processIdWith(String word) {
        return processIds().stream()
                .filter(
                        id ->
                                commandLine(PROC.resolve(Long.toString(id)))
                                        .contains("\0" + word + "\0"))
                .findFirst();
    }

    /// Returns the resident memory of the process that runs a command.
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
        throw new IllegalStateException(status + " does not contain the resident memory");
    }

    /// Returns the processes that run a command.
    List<Long> processIdsOf(String command) {
        return processIds().stream()
                .filter(
                        id ->
                                commandLine(PROC.resolve(Long.toString(id)))
                                        .contains("\0" + command + "\0"))
                .toList();
    }

    /// Returns the open descriptors and the threads of its processes: those of the one that has
    /// most, by command.
    Map<String, Integer> use() {
        Map<String, Integer> use = new TreeMap<>();
        for (long id : processIds()) {
            Path entry = PROC.resolve(Long.toString(id));
            Matcher command = COMMAND.matcher(commandLine(entry));
            if (command.find()) {
                for (String what : List.of("fd", "task")) {
                    try (Stream<Path> each = Files.list(entry.resolve(what))) {
                        int count = (int) each.count();
                        use.merge(command.group(1) + " " + what, count, Math::max);
                    } catch (IOException | UncheckedIOException e) {
                        // The process has just ended.
                    }
                }
            }
        }
        return use;
    }

    /// Returns the number of files in shared memory.
    int sharedMemory() {
        return (int) names(SHARED_MEMORY).filter(name -> name.contains(group)).count();
    }

    private static String commandLine(Path entry) {
        if (!Character.isDigit(entry.getFileName().toString().charAt(0))) {
            return "";
        }
        try {
            return Files.readString(entry.resolve("cmdline"), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            // The process has just ended.
            return "";
        }
    }

    /// Waits until nothing is left, until `clock` shows more than `limit`.
    void awaitNothingLeft(Duration limit, LoadAwareClock clock) throws Exception {
        BoundedWait.await(
                limit,
                clock,
                () -> "nothing is left of the cluster, but there is " + leftovers(),
                () -> leftovers().isEmpty());
    }

    /// Returns the last lines of all logs, for the analysis of a failure.
    String logs() {
        var text = new StringBuilder();
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

    /// Kills a process and waits for its end: a process that still writes would create the folder
    /// again.
    private static void destroy(ProcessHandle process) {
        boolean killed = process.destroyForcibly();
        assertTrue(killed || !process.isAlive(), () -> "cannot kill " + process.pid());
        process.onExit().orTimeout(BoundedWait.TIMEOUT.toSeconds(), TimeUnit.SECONDS).join();
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

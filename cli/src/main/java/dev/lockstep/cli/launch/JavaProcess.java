package dev.lockstep.cli.launch;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import java.io.File;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Command lines for JVMs of our own, like this one.
final class JavaProcess {
    /// Not the class itself: commands use the launcher, and the launcher no command.
    private static final String MAIN_CLASS = "dev.lockstep.cli.Lockstep";

    private JavaProcess() {}

    /// The optimizing compiler takes a third of the processor time of a start, on cores that the
    /// worker loads its model with: what is not hot yet can wait. Not for workers, whose kernels
    /// may be Java, and who measure their steps at the start.
    private static final String COMPILE_LATER = "-XX:CompileThresholdScaling=5";

    /// A kind of process: its `lockstep` command and what its JVM gets.
    enum Role {
        COORDINATOR("coordinator", "-Xms40m", "-Xmx256m", COMPILE_LATER),
        // What it needs grows with the pool, which it learns last: only what is used is committed.
        SCHEDULER(
                "scheduler",
                COMPILE_LATER,
                "-Xms24m",
                "-XX:MaxNewSize=64m",
                "-Xmx" + SchedulerHeap.mebibytes() + "m"),
        WORKER("worker", "-Xmx1g", "--add-modules=jdk.incubator.vector");

        private final String command;
        private final ImmutableList<String> flags;

        Role(String command, String... flags) {
            this.command = command;
            this.flags = ImmutableList.copyOf(flags);
        }
    }

    /// @param name of the process, for its log
    /// @param training empty, or the folder a start-up cache is written to at its end
    static List<String> command(
            Role role,
            String name,
            Path runFolder,
            Optional<Path> training,
            List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-Xlog:disable",
                        "-Xlog:all=error:stderr",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-XX:+UseSerialGC",
                        "-XX:+ExitOnOutOfMemoryError"));
        command.addAll(role.flags);
        command.addAll(startUpCache(role, training));
        command.add("-Dlockstep.run=" + runFolder);
        command.add("-Dlockstep.process=" + name);
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(MAIN_CLASS);
        command.add(role.command);
        command.addAll(arguments);
        return command;
    }

    private static List<String> startUpCache(Role role, Optional<Path> training) {
        String file = role.command + ".aot";
        if (training.isPresent()) {
            return List.of("-XX:AOTCacheOutput=" + training.get().resolve(file));
        }
        Path cache = ownJar().resolveSibling("aot").resolve(file);
        return isNewest(cache) ? List.of("-XX:AOTCache=" + cache) : List.of();
    }

    /// Whether a start-up cache is there and younger than every jar: the JVM was seen to take
    /// classes from one that an older build had made.
    private static boolean isNewest(Path cache) {
        File file = cache.toFile();
        return file.canRead()
                && Splitter.on(File.pathSeparatorChar)
                        .splitToStream(System.getProperty("java.class.path"))
                        .allMatch(jar -> new File(jar).lastModified() <= file.lastModified());
    }

    private static Path ownJar() {
        try {
            return Path.of(
                    JavaProcess.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException("a code location that is no URI", e);
        }
    }
}

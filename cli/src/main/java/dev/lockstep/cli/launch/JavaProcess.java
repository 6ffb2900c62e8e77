// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import java.io.File;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Command lines of the JVMs that this process starts.
final class JavaProcess {
    /// A name, not a class literal: commands depend on the launcher, not the reverse.
    private static final String MAIN_CLASS = "dev.lockstep.cli.Lockstep";

    private JavaProcess() {}

    /// Delays the optimizing compiler, which uses a third of the processor time of a start on cores
    /// that the worker needs to load its model.
    private static final String COMPILE_LATER = "-XX:CompileThresholdScaling=5";

    /// A kind of process: its `lockstep` command and its JVM flags.
    enum Role {
        COORDINATOR("coordinator", "coordinator", COMPILE_LATER, "-Xms40m", "-Xmx256m"),
        // Its heap grows with the block pool, whose size is known last: the JVM commits only the
        // memory that is used.
        SCHEDULER(
                "scheduler",
                "scheduler",
                COMPILE_LATER,
                "-Xms24m",
                "-XX:MaxNewSize=64m",
                "-Xmx" + SchedulerHeap.mebibytes() + "m"),
        // Its weights and blocks are no part of the heap, whose default size grows with the host's.
        WORKER("worker", "worker", COMPILE_LATER, "-Xms40m", "-XX:MaxNewSize=48m", "-Xmx1g"),
        // Its kernels are Java: they are compiled at once, since it measures its steps at the
        // start.
        // The module keeps the JVM from linking classes of a start-up cache.
        VECTOR_WORKER(
                "worker",
                "vector-worker",
                "-Xms40m",
                "-XX:MaxNewSize=48m",
                "-Xmx1g",
                "--add-modules=jdk.incubator.vector");

        private final String command;
        private final String cache;
        private final ImmutableList<String> flags;

        /// @param cache the name of its start-up cache
        Role(String command, String cache, String... flags) {
            this.command = command;
            this.cache = cache;
            this.flags = ImmutableList.copyOf(flags);
        }
    }

    /// Returns the command line of a process.
    ///
    /// @param name of the process, for its log
    /// @param training the folder that the process writes a start-up cache to when it exits; empty
    ///   for none
    static List<String> command(
            Role role,
            String name,
            Path logFolder,
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
                        // Where its pages are not changed they stay those of the cache's file.
                        "-XX:+UnlockDiagnosticVMOptions",
                        "-XX:ArchiveRelocationMode=0",
                        "-XX:+UseSerialGC",
                        "-XX:+ExitOnOutOfMemoryError"));
        command.addAll(role.flags);
        command.addAll(startUpCache(role, training));
        command.add("-Dlockstep.run=" + logFolder);
        command.add("-Dlockstep.process=" + name);
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(MAIN_CLASS);
        command.add(role.command);
        command.addAll(arguments);
        return command;
    }

    /// Returns the command line of a process that prints and ends at once.
    static List<String> brief(String command, List<String> arguments) {
        List<String> words = new ArrayList<>();
        words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        words.addAll(
                List.of(
                        "-Xmx64m",
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        MAIN_CLASS,
                        command));
        words.addAll(arguments);
        return words;
    }

    private static List<String> startUpCache(Role role, Optional<Path> training) {
        String file = role.cache + ".aot";
        if (training.isPresent()) {
            return List.of("-XX:AOTCacheOutput=" + training.get().resolve(file));
        }
        Path cache = ownJar().resolveSibling("aot").resolve(file);
        return isNewest(cache) ? List.of("-XX:AOTCache=" + cache) : List.of();
    }

    /// Returns whether a start-up cache exists and is at least as new as every jar: the JVM was
    /// observed to load classes from a cache of an older build.
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
            throw new IllegalStateException("the code location is not a URI", e);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cluster.process.FolderLock;
import dev.lockstep.cluster.process.OwnerOnly;
import dev.lockstep.cluster.process.StateFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The folder of the logs of one run, which outlives the run: one folder for each run in the user's
/// folder of program states, which keeps the newest ones.
///
/// @param lock held while the run lasts, so that no other run removes the folder
record LogFolder(Path path, FolderLock lock) {
    /// Runs whose logs are kept, this one included.
    static final int KEPT_RUNS = 10;

    /// The system property that the logging configuration reads.
    private static final String FOLDER = "lockstep.run";

    private static final String LOCK = "run" + FolderLock.SUFFIX;
    private static final DateTimeFormatter START = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

    /// Makes this process write its log to a folder, unless the process that started it chose one;
    /// must precede the first log line.
    static void use(Path folder, String process) {
        if (System.getProperty(FOLDER) == null) {
            System.setProperty(FOLDER, folder.toString());
            System.setProperty("lockstep.process", process);
        }
    }

    /// Creates the folder of a new run and removes those of the oldest runs that have ended. Where
    /// the user has no such folder, a temporary one that stays is used, and said.
    static LogFolder ofNewRun(Map<String, String> environment, Terminal terminal) {
        Path all = StateFolder.of(environment).resolve("logs");
        try {
            return create(all);
        } catch (IOException e) {
            try {
                Path temporary =
                        Files.createDirectories(
                                Files.createTempDirectory("lockstep-logs-").resolve("logs"));
                LogFolder made = create(temporary);
                terminal.say(
                        "logs go to %s: %s cannot be written (%s)"
                                .formatted(made.path, all, e.getMessage()));
                return made;
            } catch (IOException second) {
                second.addSuppressed(e);
                throw new UncheckedIOException("cannot make a folder for logs", second);
            }
        }
    }

    static LogFolder create(Path all) throws IOException {
        Files.createDirectories(all);
        String name = LocalDateTime.now(ZoneOffset.UTC).format(START);
        Path own = Files.createTempDirectory(all, name + "-", OwnerOnly.FOLDER);
        FolderLock lock =
                FolderLock.tryTake(own.resolve(LOCK))
                        .orElseThrow(() -> new IOException(own + " is locked"));
        prune(all);
        return new LogFolder(own, lock);
    }

    private static void prune(Path all) throws IOException {
        List<Path> runs = new ArrayList<>();
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(all, "????????-??????-*")) {
            folders.forEach(runs::add);
        }
        runs.sort(Comparator.comparing(run -> run.getFileName().toString()));
        for (Path run : runs.subList(0, Math.max(0, runs.size() - KEPT_RUNS))) {
            try {
                Optional<FolderLock> lock = FolderLock.tryTake(run.resolve(LOCK));
                if (lock.isPresent()) {
                    try (FolderLock _ = lock.get()) {
                        RunFolder.delete(run);
                    }
                }
            } catch (IOException | UncheckedIOException e) {
                // Of another user, or another run removes it now: it stays, and this run starts.
            }
        }
    }
}

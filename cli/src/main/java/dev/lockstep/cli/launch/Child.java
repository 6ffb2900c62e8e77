package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.ExitCode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// One child process and its restarts. It holds the child's standard input: when this process dies,
/// however it dies, the child sees the end and stops.
final class Child {
    private static final Logger log = LogManager.getLogger(Child.class);

    /// A signal to the whole process group reaches children first: before an end counts as one of
    /// their own, this process has this long to hear of it.
    private static final Duration GRACE = Duration.ofMillis(200);

    private static final Duration FIRST_BACKOFF = Duration.ofMillis(250);
    private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(30);

    /// A child that lived so long starts again without delay.
    private static final Duration STEADY = Duration.ofSeconds(60);

    private final String name;
    private final List<String> command;
    private final Path runFolder;
    private final Listener listener;
    private final Thread watch;

    // Guarded by this.
    private @Nullable Process process;
    private boolean stopping;

    /// Hears of a child; called on its watch thread or on its reader.
    interface Listener {
        /// How far its start has come.
        void progress(String child, String what, long done, long total);

        /// It ended by itself. Says whether to start it again.
        boolean restart(String child, int exitCode, String lastWords);
    }

    Child(String name, List<String> command, Path runFolder, Listener listener) {
        this.name = name;
        this.command = List.copyOf(command);
        this.runFolder = runFolder;
        this.listener = listener;
        this.watch = Thread.ofPlatform().daemon().name("watch-" + name).unstarted(this::watch);
    }

    void start() {
        watch.start();
    }

    String name() {
        return name;
    }

    /// Whether this process number is the child's at the moment.
    synchronized boolean is(long pid) {
        return process != null && process.pid() == pid;
    }

    /// Asks it to drain.
    synchronized void terminate() {
        stopping = true;
        if (process != null) {
            // Process.destroy closes its standard input too, which means stop at once.
            process.toHandle().destroy();
        }
        notifyAll();
    }

    /// Lets it stop at once: its standard input ends.
    synchronized void hangUp() {
        stopping = true;
        if (process != null) {
            try {
                process.getOutputStream().close();
            } catch (IOException e) {
                log.debug("{} had hung up already", name, e);
            }
        }
        notifyAll();
    }

    /// Waits for its end; kills it when it takes longer.
    void awaitEnd(Duration timeout) {
        Process last;
        synchronized (this) {
            last = process;
        }
        try {
            if (last != null && !last.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                log.warn("{} is killed: it did not stop within {} ms", name, timeout.toMillis());
                last.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            last.destroyForcibly();
        }
    }

    private void watch() {
        Duration backoff = FIRST_BACKOFF;
        try {
            while (true) {
                long start = System.nanoTime();
                int exitCode;
                String words;
                try {
                    Process started = launch();
                    if (started == null) {
                        return;
                    }
                    exitCode = started.waitFor();
                    words = lastWords(exitCode);
                } catch (IOException e) {
                    exitCode = ExitCode.FAILED;
                    words = "cannot be started: " + e.getMessage();
                }
                if (!pause(GRACE)) {
                    return;
                }
                log.warn("{} ended with exit code {}: {}", name, exitCode, words);
                if (!listener.restart(name, exitCode, words)) {
                    return;
                }
                boolean steady = System.nanoTime() - start > STEADY.toNanos();
                backoff = steady ? FIRST_BACKOFF : backoff;
                if (!pause(backoff)) {
                    return;
                }
                backoff = min(backoff.multipliedBy(2), LONGEST_BACKOFF);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized @Nullable Process launch() throws IOException {
        if (stopping) {
            return null;
        }
        Process started = new ProcessBuilder(command).redirectError(errorFile().toFile()).start();
        process = started;
        Thread.ofVirtual().name("read-" + name).start(() -> read(started));
        log.info("{} started, pid {}", name, started.pid());
        return started;
    }

    /// Lines of the form `progress TAB what TAB done TAB total`; others are nobody's.
    private void read(Process from) {
        try (BufferedReader reader = from.inputReader()) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                String[] words = line.split("\t", -1);
                if (words.length == 4
                        && words[0].equals("progress")
                        && isCount(words[2])
                        && isCount(words[3])) {
                    listener.progress(
                            name, words[1], Long.parseLong(words[2]), Long.parseLong(words[3]));
                }
            }
        } catch (IOException e) {
            log.debug("{} stopped talking", name, e);
        }
    }

    private static boolean isCount(String word) {
        return word.matches("[0-9]{1,18}");
    }

    private synchronized boolean pause(Duration backoff) throws InterruptedException {
        long end = System.nanoTime() + backoff.toNanos();
        for (long left = backoff.toNanos(); left > 0 && !stopping; left = end - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return !stopping;
    }

    /// The last line of what it complained, else of its log.
    private String lastWords(int exitCode) {
        for (Path file : List.of(errorFile(), runFolder.resolve(name + ".log"))) {
            try {
                String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
                Optional<String> last =
                        text.lines().filter(line -> !line.isBlank()).reduce((a, b) -> b);
                if (last.isPresent()) {
                    return last.get();
                }
            } catch (IOException e) {
                log.debug("{} left no {}", name, file, e);
            }
        }
        return "ended with exit code " + exitCode + " and said nothing";
    }

    private Path errorFile() {
        return runFolder.resolve(name + ".err");
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.cluster.process.Settings;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// A child process and its restarts. This process holds the child's standard input: when this
/// process ends in any way, the input ends and the child stops.
final class Child {
    /// The first word of a line on standard output that is for the person who started the cluster.
    static final String NOTICE = "notice";

    private static final Logger LOG = LogManager.getLogger(Child.class);

    /// The delay before the end of a child is reported: a signal to the whole process group may
    /// reach the child first, and this process must receive it, too.
    private static final Duration GRACE = Duration.ofMillis(200);

    /// Beats that may be missing before a child that has sent one is killed: it sends one a second.
    static final int MISSED_BEATS = 5;

    /// The same for a child whose threads wait for a core, for as long as that is [#STARVED] of
    /// each second: it is slow, and does not stand still.
    private static final int MISSED_BEATS_ON_A_BUSY_HOST = 60;

    private static final Duration STARVED = Duration.ofMillis(500);

    private final String name;
    private final Map<String, String> environment;
    private final ErrorOutput errors;
    private final Listener listener;
    private final Thread watch;

    // Guarded by this.
    private final RunDelay runDelay = new RunDelay();
    private final List<String> command;
    private @Nullable Process process;
    private boolean stopping;
    private boolean replaced;
    private @Nullable Process terminated;
    private boolean beats;
    private int missedBeats;
    private int excusedBeats;

    /// When it was started, or reported how far its start is.
    private long startedNanos;

    /// Receives events of a child, on its watch thread or its reader thread.
    interface Listener {
        /// Reports the progress of its start.
        void progress(String child, String what, long done, long total);

        /// Reports a line for the person who started the cluster.
        void notice(String line);

        /// Takes a line of a scheduler about the number of ranks; must not block.
        void ranks(Child scheduler, RankLine line);

        /// Reports that it got SIGTERM, which it leaves to this process: [#drain] or [#replace].
        void terminated(Child child);

        /// Reports that it ended without being stopped, and returns whether to restart it.
        ///
        /// @param lastLine the last line of its error output or log
        boolean restart(String child, int exitCode, String lastLine);
    }

    /// Creates a child, which has not started.
    ///
    /// @param environment variables that replace the settings of this process's environment
    Child(
            String name,
            List<String> command,
            Map<String, String> environment,
            Path logFolder,
            Listener listener) {
        this.name = name;
        this.command = new ArrayList<>(command);
        this.environment = Map.copyOf(environment);
        this.errors = new ErrorOutput(logFolder, name);
        this.listener = listener;
        this.watch = Thread.ofPlatform().daemon().name("watch-" + name).unstarted(this::watch);
    }

    void start() {
        watch.start();
    }

    String name() {
        return name;
    }

    synchronized boolean isAlive() {
        return process != null && process.isAlive();
    }

    /// Returns whether the child currently has this process id.
    synchronized boolean is(long pid) {
        return process != null && process.pid() == pid;
    }

    /// Counts a beat as missed, and kills the child when too many are: it stands still, and would
    /// not obey. Called once a second. A process that stops or has not begun to beat is spared.
    synchronized void expectBeat() {
        if (process == null || !process.isAlive() || stopping || !beats) {
            return;
        }
        missedBeats++;
        // Every beat counts as missed until it comes, so the first one is not measured.
        if (missedBeats > 1 && runDelay.sinceLast(process.pid()).compareTo(STARVED) > 0) {
            excusedBeats++;
        }
        if (missedBeats - excusedBeats <= MISSED_BEATS
                && missedBeats <= MISSED_BEATS_ON_A_BUSY_HOST) {
            return;
        }
        LOG.error("{} is killed: it has not answered for {} s", name, missedBeats - 1);
        listener.notice(name + " is killed: it has not answered for " + (missedBeats - 1) + " s");
        beats = false;
        process.destroyForcibly();
    }

    private synchronized void beat() {
        beats = true;
        excuseBeats();
    }

    /// Forgets what was missed, after this process itself stood still.
    synchronized void excuseBeats() {
        missedBeats = 0;
        excusedBeats = 0;
        runDelay.forget();
    }

    /// Tells it to drain and to end for good.
    synchronized void drain() {
        stopping = true;
        say(Daemon.DRAIN);
        notifyAll();
    }

    /// Tells it to end, and starts it again when it has; no effect while it stops for good.
    ///
    /// @param word [Daemon#DRAIN] or [Daemon#HAND_OVER]
    synchronized void replace(String word) {
        // It may have ended meanwhile: its successor got no signal.
        if (!stopping && process != null && process.equals(terminated) && process.isAlive()) {
            replaced = true;
            say(word);
        }
    }

    /// Writes a line to its standard input. Not a signal, which it would leave to this process.
    synchronized void say(String word) {
        if (process == null) {
            return;
        }
        try {
            OutputStream input = process.getOutputStream();
            input.write((word + "\n").getBytes(StandardCharsets.US_ASCII));
            input.flush();
        } catch (IOException e) {
            LOG.debug("{} does not read \"{}\" any more", name, word, e);
        }
    }

    /// Gives a flag of its command another value from now on, and says a line to the process that
    /// has the old one.
    synchronized void change(String flag, String value, String line) {
        command.replaceAll(word -> word.startsWith(flag + "=") ? flag + "=" + value : word);
        say(line);
    }

    /// Closes its standard input, which stops it without a drain.
    synchronized void closeInput() {
        stopping = true;
        if (process != null) {
            try {
                process.getOutputStream().close();
            } catch (IOException e) {
                LOG.debug("standard input of {} was already closed", name, e);
            }
        }
        notifyAll();
    }

    /// Waits for its end; kills it after the time-out.
    void awaitEnd(Duration timeout) throws InterruptedException {
        if (!ends(timeout)) {
            LOG.warn("{} is killed: it did not stop within {} ms", name, timeout.toMillis());
            kill();
        }
    }

    /// Returns whether it ends within a time.
    boolean ends(Duration timeout) throws InterruptedException {
        Process last = process();
        return last == null || last.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    /// Kills it, and returns when it has ended.
    private void kill() throws InterruptedException {
        Process last = process();
        if (last != null) {
            last.destroyForcibly().waitFor();
        }
    }

    /// Returns the exit code of the process that ended last; 0 if none was started.
    int exitCode() {
        Process last = process();
        return last == null || last.isAlive() ? ExitCode.OK : last.exitValue();
    }

    private synchronized @Nullable Process process() {
        return process;
    }

    private void watch() {
        var restarts = new Restarts();
        try {
            while (true) {
                int exitCode;
                String line;
                try {
                    Process started = launch();
                    if (started == null) {
                        return;
                    }
                    exitCode = started.waitFor();
                    if (takeReplaced()) {
                        LOG.info("{} ended with exit code {} and is replaced", name, exitCode);
                        continue;
                    }
                    line = errors.lastLine(exitCode);
                } catch (IOException e) {
                    exitCode = ExitCode.FAILED;
                    line = "cannot be started: " + e.getMessage();
                }
                if (!pause(GRACE)) {
                    return;
                }
                LOG.warn("{} ended with exit code {}: {}", name, exitCode, line);
                if (!listener.restart(name, exitCode, line)) {
                    return;
                }
                Duration delay = restarts.ended(runTime());
                if (restarts.failed()) {
                    listener.notice(
                            "%s has failed: it ended %d times in a row, and is started every %d s until it stays: %s"
                                    .formatted(
                                            name, Restarts.FAILED_AFTER, delay.toSeconds(), line));
                }
                if (!pause(delay)) {
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized Duration runTime() {
        return Duration.ofNanos(System.nanoTime() - startedNanos);
    }

    private synchronized void starting() {
        startedNanos = System.nanoTime();
    }

    private synchronized boolean takeReplaced() {
        boolean was = replaced;
        replaced = false;
        return was;
    }

    private synchronized @Nullable Process launch() throws IOException {
        if (stopping) {
            return null;
        }
        starting();
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(errors.emptyFile());
        // The command line has all settings, those of this process's environment included, except
        // for secrets.
        builder.environment()
                .keySet()
                .removeIf(variable -> variable.startsWith(Settings.ENVIRONMENT_PREFIX));
        // With it CUDA's libraries cannot be loaded.
        builder.environment().remove("LD_BIND_NOW");
        builder.environment().putAll(environment);
        Process started = builder.start();
        process = started;
        beats = false;
        excuseBeats();
        Thread.ofVirtual().name("read-" + name).start(() -> read(started));
        LOG.info("{} started, pid {}", name, started.pid());
        return started;
    }

    private synchronized boolean isFirstSignal(Process to) {
        boolean first = to.equals(process) && !to.equals(terminated);
        if (first) {
            terminated = to;
        }
        return first;
    }

    /// Reads lines of the forms `progress TAB what TAB done TAB total`, `notice TAB text`, `alive`,
    /// `terminated` and those of [RankLine]; ignores other lines.
    private void read(Process from) {
        try (BufferedReader reader = from.inputReader()) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                String[] words = line.split("\t", -1);
                if (words.length == 4
                        && words[0].equals("progress")
                        && isCount(words[2])
                        && isCount(words[3])) {
                    starting();
                    listener.progress(
                            name, words[1], Long.parseLong(words[2]), Long.parseLong(words[3]));
                } else if (line.equals(Daemon.ALIVE)) {
                    beat();
                } else if (line.equals(Daemon.TERMINATED)) {
                    if (isFirstSignal(from)) {
                        listener.terminated(this);
                    }
                } else if (words.length == 2 && words[0].equals(NOTICE)) {
                    listener.notice(words[1]);
                } else {
                    RankLine.parse(line).ifPresent(said -> listener.ranks(this, said));
                }
            }
        } catch (IOException e) {
            LOG.debug("cannot read standard output of {}", name, e);
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
}

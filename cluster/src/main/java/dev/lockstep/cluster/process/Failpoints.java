// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The faults that tests inject, and where:
/// `worker.before-step=exit@3,scheduler.after-send=sleep:200ms`.
///
/// Actions are `exit` (ends the process at once, like SIGKILL), `throw`, `hang` (the thread never
/// returns and ignores interruption, like a stuck native call), `memory` (asks for more than the
/// heap has), `sleep:TIME`, and `trip` at places that have a fault of their own, such as a flipped
/// bit. `@n` acts only at the n-th hit, and `@/FILE` only at the first hit once that file exists,
/// which removes the file: so a test says when, however fast the processes are, and one process
/// acts. Without it every hit acts. The instance without actions, [#NONE], costs one branch.
public final class Failpoints {

    public static final Failpoints NONE = new Failpoints(Map.of());

    /// The exit code of a process that `exit` ended.
    public static final int EXIT_CODE = 86;

    private static final Set<String> PROCESSES =
            Set.of("launcher", "coordinator", "scheduler", "worker");
    private static final Pattern ENTRY =
            Pattern.compile(
                    "([a-z0-9.-]+)=(exit|throw|hang|memory|trip|sleep:(\\d{1,9})(ms|s))(@(\\d{1,9}|/[^,]+))?");

    private enum Action {
        EXIT,
        THROW,
        HANG,
        MEMORY,
        TRIP,
        SLEEP
    }

    /// @param when the number of the hit to act at, the path of the file to wait for, or nothing:
    ///   to act at every hit
    private record Armed(Action action, Duration sleep, String when, AtomicLong hits) {
        /// Counts a hit and returns whether it acts.
        boolean isNext() {
            long hit = hits.incrementAndGet();
            if (when.startsWith("/")) {
                return isRemoved(Path.of(when));
            }
            return when.isEmpty() || Long.parseLong(when) == hit;
        }

        private static boolean isRemoved(Path file) {
            try {
                return Files.deleteIfExists(file);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private final Map<Failpoint, Armed> armed;

    private Failpoints(Map<Failpoint, Armed> armed) {
        this.armed = armed;
    }

    /// Parses the faults of one process. Entries of other processes are ignored, so that all of
    /// them can be given the same text.
    ///
    /// @param process the first word of this process's failpoints
    /// @param known all failpoints this process has
    /// @throws SettingsException for an entry that is malformed or names no failpoint
    public static Failpoints parse(String text, String process, Collection<Failpoint> known) {
        Map<Failpoint, Armed> armed = new HashMap<>();
        for (String part : text.split(",", -1)) {
            String entry = part.strip();
            if (entry.isEmpty()) {
                continue;
            }
            Matcher matcher = ENTRY.matcher(entry);
            if (!matcher.matches()) {
                throw new SettingsException(
                        "--failpoints: \""
                                + entry
                                + "\" is not process.place=exit|throw|hang|memory|trip|sleep:TIME with an optional @hit or @/file");
            }
            Failpoint point = point(matcher.group(1));
            if (!point.process().equals(process) && PROCESSES.contains(point.process())) {
                continue;
            }
            if (!known.contains(point)) {
                String names =
                        known.stream()
                                .map(Failpoint::name)
                                .sorted()
                                .collect(Collectors.joining(", "));
                throw new SettingsException(
                        "--failpoints: no failpoint \""
                                + point.name()
                                + "\"; "
                                + process
                                + " has: "
                                + names);
            }
            armed.put(point, armed(matcher));
        }
        return armed.isEmpty() ? NONE : new Failpoints(Map.copyOf(armed));
    }

    private static Failpoint point(String name) {
        try {
            return new Failpoint(name);
        } catch (IllegalArgumentException e) {
            throw new SettingsException("--failpoints: " + e.getMessage());
        }
    }

    private static Armed armed(Matcher entry) {
        String when = entry.group(6);
        String count = entry.group(3);
        Duration sleep =
                count == null
                        ? Duration.ZERO
                        : "s".equals(entry.group(4))
                                ? Duration.ofSeconds(Long.parseLong(count))
                                : Duration.ofMillis(Long.parseLong(count));
        Action action =
                switch (entry.group(2)) {
                    case "exit" -> Action.EXIT;
                    case "throw" -> Action.THROW;
                    case "hang" -> Action.HANG;
                    case "memory" -> Action.MEMORY;
                    case "trip" -> Action.TRIP;
                    default -> Action.SLEEP;
                };
        return new Armed(action, sleep, when == null ? "" : when, new AtomicLong());
    }

    public boolean isArmed(Failpoint point) {
        return armed.containsKey(point);
    }

    /// Executes the action of this failpoint, usually none.
    public void hit(Failpoint point) {
        if (!armed.isEmpty()) {
            act(point);
        }
    }

    /// Executes the action of this failpoint; returns true if it is `trip`: then the caller has its
    /// own fault.
    public boolean trips(Failpoint point) {
        Armed here = armed.get(point);
        if (here == null) {
            return false;
        }
        if (here.action() != Action.TRIP) {
            act(point);
            return false;
        }
        return here.isNext();
    }

    private void act(Failpoint point) {
        Armed here = armed.get(point);
        if (here == null || !here.isNext()) {
            return;
        }
        long hit = here.hits().get();
        switch (here.action()) {
            case EXIT -> Runtime.getRuntime().halt(EXIT_CODE);
            case THROW -> throw new FailpointException(point, hit);
            case HANG -> hang();
            case MEMORY -> fillHeap();
            case TRIP ->
                    throw new IllegalStateException(
                            "failpoint " + point.name() + " has no fault of its own");
            case SLEEP -> sleep(here.sleep());
        }
    }

    private static void hang() {
        var never = new CountDownLatch(1);
        while (true) {
            try {
                never.await();
            } catch (InterruptedException ignored) {
                // A stuck native call would not react to it either.
            }
        }
    }

    private static void fillHeap() {
        Object[] kept = {};
        while (true) {
            kept = new Object[] {kept, new byte[1 << 28]};
        }
    }

    private static void sleep(Duration duration) {
        try {
            Thread.sleep(duration);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// The exception that `throw` throws.
    public static final class FailpointException extends RuntimeException {

        private static final long serialVersionUID = 1;

        FailpointException(Failpoint point, long hit) {
            super("failpoint " + point.name() + ", hit " + hit);
        }
    }
}

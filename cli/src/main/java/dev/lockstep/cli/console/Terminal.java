// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.console;

import java.io.Console;
import java.io.PrintStream;
import java.util.Locale;

/// Shows the progress of long work: one line that is rewritten on a terminal, plain lines
/// elsewhere.
///
/// Safe for any number of threads.
public final class Terminal {
    private static final long REWRITE_NANOS = 100_000_000;
    private static final long PLAIN_NANOS = 5_000_000_000L;

    private static final int BAR_LENGTH = 20;

    private final PrintStream out;
    private final boolean interactive;
    private boolean lineOpen;
    private long lastNanos = System.nanoTime() - PLAIN_NANOS;

    public Terminal(PrintStream out, boolean interactive) {
        this.out = out;
        this.interactive = interactive;
    }

    // The JDK declares the console nullable, but Error Prone treats it as never null.
    @SuppressWarnings("SystemConsoleNull")
    public static Terminal standardError() {
        Console console = System.console();
        return new Terminal(System.err, console != null && console.isTerminal());
    }

    /// Prints a line that stays.
    public synchronized void say(String line) {
        endLine();
        out.println(line);
        out.flush();
    }

    /// Shows progress, at most every 100 ms on a terminal and every 5 s elsewhere.
    ///
    /// @param total 0 if unknown
    public synchronized void progress(String what, long done, long total) {
        long now = System.nanoTime();
        if (now - lastNanos < (interactive ? REWRITE_NANOS : PLAIN_NANOS)) {
            return;
        }
        lastNanos = now;
        // A total may be an estimate.
        double part = total > 0 ? Math.clamp((double) done / total, 0, 1) : 0;
        String share = total > 0 ? " %3d%%".formatted((int) (100 * part)) : "";
        if (interactive) {
            String bar = total > 0 ? " " + bar(part) : "";
            out.print("\r\u001b[K" + what + bar + share);
            lineOpen = true;
        } else {
            out.println(what + share);
        }
        out.flush();
    }

    private static String bar(double part) {
        int full = (int) (BAR_LENGTH * part);
        return "[" + "#".repeat(full) + " ".repeat(BAR_LENGTH - full) + "]";
    }

    /// Clears the rewritten line, if there is one.
    public synchronized void endLine() {
        if (lineOpen) {
            out.print("\r\u001b[K");
            out.flush();
            lineOpen = false;
        }
    }

    /// Formats a number of bytes, such as `93.8 MiB`.
    public static String bytes(long count) {
        return count < 1 << 20
                ? String.format(Locale.ROOT, "%.1f KiB", count / 1024.0)
                : count < 1 << 30
                        ? String.format(Locale.ROOT, "%.1f MiB", count / 1048576.0)
                        : String.format(Locale.ROOT, "%.2f GiB", count / 1073741824.0);
    }
}

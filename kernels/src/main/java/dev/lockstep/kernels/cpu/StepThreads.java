// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.util.Arrays;

/// Chooses how many threads compute a step: all of them, or one less, which leaves a core to the
/// processes that plan the next step and send the tokens of the last one.
///
/// Which is faster depends on the model and on the host, so it is measured: for each size of a step
/// both are tried now and then, and the one with the shorter median time from the beginning of a
/// step to that of the next serves until the next trial. A trial in which the first few steps with
/// one less are all slower ends with them. A step that begins later after the last one than that
/// one took has waited for requests: all threads compute it, and neither time counts. Results have
/// the same bits for any number of threads. Allocates nothing after its creation.
final class StepThreads {
    /// Steps of each number of threads in a trial.
    static final int TRIAL = 16;

    /// Steps with one thread less after which a trial may end.
    static final int FEW = 4;

    /// Steps between two trials: at first, while code is still being compiled, and in the end.
    static final int FIRST_PAUSE = 64;

    static final int LAST_PAUSE = 4096;

    /// A step of more tokens takes so much longer than what surrounds it that all threads compute
    /// it.
    static final int MOST_TOKENS = 64;

    /// One thread less must save that share of the time.
    private static final double LEAST_GAIN = 0.05;

    private final int threads;
    private final Size[] sizes = new Size[sizeOf(MOST_TOKENS) + 1];

    /// That of steps without a choice.
    private final Size none = new Size();

    private Size last = none;
    private long lastBegin;
    private long lastEnd;

    /// @param threads all of them, at least one
    StepThreads(int threads) {
        this.threads = threads;
        Arrays.setAll(sizes, _ -> new Size());
    }

    /// Returns the number of threads for the step that begins.
    ///
    /// @param nanos the time, on a clock of any origin
    int begin(int tokens, long nanos) {
        boolean follows = nanos - lastEnd <= lastEnd - lastBegin;
        if (follows) {
            last.took(nanos - lastBegin);
        }
        lastBegin = nanos;
        if (!follows || threads == 1 || tokens < 1 || tokens > MOST_TOKENS) {
            last = none;
            return threads;
        }
        last = sizes[sizeOf(tokens)];
        return last.spares() ? threads - 1 : threads;
    }

    /// Ends the step that began last.
    void end(long nanos) {
        lastEnd = nanos;
    }

    /// Returns the number of the least power of two that is no less.
    private static int sizeOf(int tokens) {
        return Integer.SIZE - Integer.numberOfLeadingZeros(tokens - 1);
    }

    /// The steps of one size: a pause, a trial with all threads, one with one less, and so on.
    private static final class Size {
        private final long[] withAll = new long[TRIAL];
        private final long[] withOneLess = new long[TRIAL];
        private int pause = FIRST_PAUSE;
        private int steps;
        private boolean chosen;

        /// Returns whether the next step spares a thread.
        boolean spares() {
            return steps < pause ? chosen : steps >= pause + TRIAL;
        }

        void took(long nanos) {
            if (steps >= pause) {
                int tried = steps - pause;
                (tried < TRIAL ? withAll : withOneLess)[tried % TRIAL] = nanos;
            }
            steps++;
            if (steps == pause + TRIAL + FEW && fastest(withOneLess, FEW) > median(withAll)) {
                choose(false);
            } else if (steps == pause + 2 * TRIAL) {
                choose(median(withOneLess) < (1 - LEAST_GAIN) * median(withAll));
            }
        }

        private void choose(boolean spares) {
            pause = spares == chosen ? Math.min(2 * pause, LAST_PAUSE) : FIRST_PAUSE;
            chosen = spares;
            steps = 0;
        }

        private static long fastest(long[] times, int count) {
            long fastest = times[0];
            for (int i = 1; i < count; i++) {
                fastest = Math.min(fastest, times[i]);
            }
            return fastest;
        }

        private static long median(long[] times) {
            Arrays.sort(times);
            return times[TRIAL / 2];
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.StepResult;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;

/// Finds the rank that the others wait for most of the time, several seconds in a row: it takes
/// three times as long as they do, or more. All ranks take the same time for a step, because they
/// wait for each other in its sums; so the waiting tells them apart.
///
/// A second of steps in which a rank paused counts as one, however long the pause was.
/// [WorkerGroup] guards it.
final class SlowRank {
    /// The share of their time that all others wait longer than the slow one.
    private static final double WAITING = 2.0 / 3;

    private static final long SPAN_NANOS = TimeUnit.SECONDS.toNanos(1);

    /// So many spans in a row name a rank, and so many without it end that.
    static final int IN_A_ROW = 5;

    private static final int NONE = -1;

    // Of the current span.
    private final long[] compute;
    private final long[] waited;
    private boolean measured = true;
    private long began;
    private boolean begun;
    private int suspect = NONE;
    private int suspected;
    private int absent;
    private int slow = NONE;

    SlowRank(int ranks) {
        compute = new long[ranks];
        waited = new long[ranks];
    }

    /// The rank that is slow now.
    OptionalInt rank() {
        return slow == NONE ? OptionalInt.empty() : OptionalInt.of(slow);
    }

    /// Notes what a rank has measured in a step.
    void answered(int rank, StepResult result) {
        measured &= result.hasWaitedMicros();
        compute[rank] += result.getComputeMicros();
        waited[rank] += result.getWaitedMicros();
    }

    /// Notes that all ranks have answered a step; returns whether [#rank] has changed.
    boolean completed(long nanos) {
        if (!begun) {
            begun = true;
            began = nanos;
            return false;
        }
        if (nanos - began < SPAN_NANOS) {
            return false;
        }
        int found = measured && waited.length > 1 ? waitedFor() : NONE;
        began = nanos;
        measured = true;
        Arrays.fill(compute, 0);
        Arrays.fill(waited, 0);
        suspected = found == suspect ? suspected + 1 : 1;
        suspect = found;
        absent = found == slow ? 0 : absent + 1;
        int before = slow;
        if (suspected >= IN_A_ROW && found != NONE) {
            slow = found;
            absent = 0;
        } else if (absent >= IN_A_ROW) {
            slow = NONE;
        }
        return slow != before;
    }

    /// Returns the rank that all others waited for since the span began. One that begins a step
    /// late measures only what is left of it: the longest time is that of the step.
    private int waitedFor() {
        int least = 0;
        long longest = 0;
        for (int i = 0; i < waited.length; i++) {
            longest = Math.max(longest, compute[i]);
            least = waited[i] < waited[least] ? i : least;
        }
        for (int i = 0; i < waited.length; i++) {
            if (i != least && waited[i] - waited[least] <= WAITING * longest) {
                return NONE;
            }
        }
        return least;
    }
}

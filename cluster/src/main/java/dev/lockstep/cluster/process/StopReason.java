// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

/// The reason why a process stops, which decides how: in order, or at once.
public enum StopReason {
    /// SIGTERM: finish running work, accept nothing new.
    TERMINATED,
    /// SIGINT: streams get an error, the process ends within 2 s.
    INTERRUPTED,
    /// The parent process is gone: like SIGINT, because nothing remains to be served.
    PARENT_GONE,
    /// The parent starts another process in place of this one: running work goes on there.
    REPLACED,
    /// The process finished, or cannot continue: [Daemon#exitWith].
    FINISHED;

    /// Returns whether running work may finish.
    public boolean drains() {
        return this == TERMINATED;
    }
}

package dev.lockstep.cluster.process;

/// Why a process stops, which decides how: in order, or at once.
public enum StopReason {
    /// SIGTERM: finish what was begun, take nothing new.
    TERMINATED,
    /// SIGINT: streams get an error, everything is gone in 2 s.
    INTERRUPTED,
    /// The process that started this one is gone: as SIGINT, for there is nobody left to serve.
    PARENT_GONE,
    /// The process itself is done, or found that it cannot go on: [Daemon#exitWith].
    FINISHED;

    /// Whether running work may finish.
    public boolean drains() {
        return this == TERMINATED;
    }
}

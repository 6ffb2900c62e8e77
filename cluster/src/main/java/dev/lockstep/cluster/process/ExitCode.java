package dev.lockstep.cluster.process;

/// What a process's exit says to whoever started it.
public final class ExitCode {

    public static final int OK = 0;

    /// Something broke; starting again may help.
    public static final int FAILED = 1;

    /// A wrong flag, key or value: starting again cannot help.
    public static final int USAGE = 2;

    /// A model, device or peer that does not fit the settings: starting again cannot help.
    public static final int UNUSABLE = 78;

    /// Stopped by SIGINT, as shells count it.
    public static final int INTERRUPTED = 130;

    private ExitCode() {}
}

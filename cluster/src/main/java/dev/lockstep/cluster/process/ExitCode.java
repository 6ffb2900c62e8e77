// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

/// The exit codes of Lockstep's processes.
public final class ExitCode {

    public static final int OK = 0;

    /// A failure; a restart may help.
    public static final int FAILED = 1;

    /// A wrong flag, key or value: a restart cannot help.
    public static final int USAGE = 2;

    /// A drain ended before the requests that it waited for.
    public static final int UNFINISHED = 75;

    /// A model, device or peer that does not fit the settings: a restart cannot help.
    public static final int UNUSABLE = 78;

    /// A device that this process can no longer use: a new process may.
    public static final int DEVICE_LOST = 86;

    /// A rank whose results were wrong: a new process may compute right ones.
    public static final int EXPELLED = 87;

    /// Stopped by SIGINT, in the convention of shells.
    public static final int INTERRUPTED = 130;

    private ExitCode() {}
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

/// A setting that cannot be used; the message is one line for the user and the process exits with
/// [ExitCode#USAGE].
public final class SettingsException extends IllegalArgumentException {

    private static final long serialVersionUID = 1;

    public SettingsException(String message) {
        super(message);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;

/// The ports of `GET /debug/state` on a host: the coordinator has that of the setting, the
/// schedulers and then the workers have the next ones. The workers that a resize brings run beside
/// those of before: theirs are [#APART] higher, and those of the next resize are not.
///
/// @param first 0 if no process has one
record AdminPorts(int first, int schedulers) {
    /// The most ranks that have ports.
    static final int APART = 100;

    private static final int LAST_PORT = 65535;

    static AdminPorts of(Settings settings) {
        return new AdminPorts(
                settings.value(ProcessKeys.ADMIN_PORT),
                settings.value(LauncherConfig.STANDBY) ? 2 : 1);
    }

    AdminPorts {
        int most = LAST_PORT - after(schedulers);
        if (first > most) {
            throw new SettingsException(
                    "--admin-port=%d is too high: schedulers and workers have the ports after it, so at most %d"
                            .formatted(first, most));
        }
    }

    /// Returns how many ports after the first one processes may have.
    private static int after(int schedulers) {
        return schedulers + 2 * APART;
    }

    /// Refuses a port of the public API that a process of the host has, or may get by a resize.
    ///
    /// @param port 0 if the system chooses one
    void requireWithout(int port) {
        int last = first + after(schedulers);
        if (first != 0 && port >= first && port <= last) {
            throw new SettingsException(
                    "--admin-port=%d takes the ports up to %d, and --port=%d is among them"
                            .formatted(first, last, port));
        }
    }

    /// @param number from 0
    int scheduler(int number) {
        return first == 0 ? 0 : first + 1 + number;
    }

    /// @param apart whether the workers of before have the lower ports
    int worker(int rank, boolean apart) {
        if (first == 0) {
            return 0;
        }
        if (rank >= APART) {
            throw new SettingsException(
                    "--admin-port has ports for %d ranks, the group has more".formatted(APART));
        }
        return first + 1 + schedulers + (apart ? APART : 0) + rank;
    }
}

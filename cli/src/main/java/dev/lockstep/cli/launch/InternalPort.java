// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;

/// The port of a process that clients do not connect to.
public final class InternalPort {
    private InternalPort() {}

    /// Throws if the port will be needed and nothing can listen there now.
    public static void requireFree(Settings settings) {
        settings.find(ProcessKeys.INTERNAL_HOST)
                .ifPresent(
                        host ->
                                FreePort.require(
                                        ProcessKeys.INTERNAL_HOST,
                                        host,
                                        settings.value(ProcessKeys.INTERNAL_PORT)));
    }
}

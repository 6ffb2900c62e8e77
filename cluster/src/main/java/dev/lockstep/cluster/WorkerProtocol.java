// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

/// The protocol between schedulers and workers.
public final class WorkerProtocol {
    /// Changes when an older peer would misread `worker.proto`.
    public static final String VERSION = "8";

    private WorkerProtocol() {}
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Decides which sequences may hold memory in the next step. Implementations are found by
/// [java.util.ServiceLoader] and chosen by name; each group gets a new instance.
public interface CapacityScheduler {
    /// The value of `--capacity` that chooses it.
    String name();

    /// Lets sequences run, admits waiting ones and preempts others, by calling `capacity`.
    void select(Capacity capacity);
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Manages a resource that sequences hold while they run, such as KV blocks, slots or adapters;
/// called by the step loop's thread only.
public interface ResourceManager {
    /// Called when a plan is about to be sent: assigns what its sequences lack for it.
    void prepareResources(StepPlan plan);

    /// Called when the step of a plan has ended on every rank; steps end in the order they were
    /// planned.
    void updateResources(StepPlan plan);

    /// Called when a sequence gives up what it holds, once each time: it finished, was cancelled,
    /// failed or was preempted. Steps sent earlier may still access what it held.
    void freeResources(Sequence sequence);

    /// Throws unless the counts equal what the running sequences and the steps in flight hold.
    default void checkIntegrity(Iterable<Sequence> running) {}
}

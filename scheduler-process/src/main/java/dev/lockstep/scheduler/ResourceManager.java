package dev.lockstep.scheduler;

/// Something sequences hold while they run, such as KV blocks, slots or adapters; called by the
/// step loop's thread only.
public interface ResourceManager {
    /// A plan is about to be sent: its sequences get what they lack for it.
    void prepareResources(StepPlan plan);

    /// The step of a plan has ended on every rank; steps end in the order they were planned.
    void updateResources(StepPlan plan);

    /// A sequence gives up what it holds: it finished, was cancelled, failed or was preempted.
    /// Called once each time. Steps sent before may still touch what it held.
    void freeResources(Sequence sequence);

    /// Throws unless what is counted equals what the running sequences and the steps in flight
    /// hold.
    default void checkIntegrity(Iterable<Sequence> running) {}
}

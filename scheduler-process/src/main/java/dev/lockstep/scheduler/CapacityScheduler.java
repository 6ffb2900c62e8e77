package dev.lockstep.scheduler;

/// Decides which sequences may hold memory in the next step. Chosen by name; a user's own is found
/// by [java.util.ServiceLoader], made anew for each group.
public interface CapacityScheduler {
    /// What `--capacity` calls it.
    String name();

    /// Lets sequences run, admits those that wait, and preemptions others, by calling `capacity`.
    void select(Capacity capacity);
}

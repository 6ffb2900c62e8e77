package dev.lockstep.scheduler;

/// What became of a request offered to the scheduler.
public sealed interface Submission {
    record Queued() implements Submission {}

    /// The queue is full; later it may not be.
    record QueueFull(String message) implements Submission {}

    /// It cannot start before its deadline, by the pace measured; the queue takes so long.
    record TooLate(String message, long waitNanos) implements Submission {}

    /// It can never run on this group.
    record Unservable(String message) implements Submission {}
}

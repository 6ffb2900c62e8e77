// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// The result of submitting a request to the scheduler.
public sealed interface Submission {
    record Queued() implements Submission {}

    /// The queue is full; a later attempt may succeed.
    record QueueFull(String message) implements Submission {}

    /// It cannot start before its deadline at the measured pace; the queue takes `waitNanos`.
    record TooLate(String message, long waitNanos) implements Submission {}

    /// It can never run on this group.
    record Unservable(String message) implements Submission {}
}

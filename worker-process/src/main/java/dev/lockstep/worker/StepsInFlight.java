// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.ArrayDeque;
import java.util.Deque;

/// The steps of a session that were launched and are not complete, oldest first. They complete in
/// this order.
///
/// Belongs to the step thread.
final class StepsInFlight {
    /// A scheduler sends a step before the result of the preceding one.
    static final int DEPTH = 2;

    private final Deque<Flight> flights = new ArrayDeque<>(DEPTH);

    /// A step in flight and the receiver of its outcome.
    record Flight(LaunchedStep step, StepRunner.Replies replies) {}

    void add(LaunchedStep step, StepRunner.Replies replies) {
        if (isFull()) {
            throw new IllegalStateException(
                    "step (%d, %d) is launched while %d are in flight"
                            .formatted(step.epoch(), step.number(), DEPTH));
        }
        flights.addLast(new Flight(step, replies));
    }

    boolean isEmpty() {
        return flights.isEmpty();
    }

    boolean isFull() {
        return flights.size() == DEPTH;
    }

    boolean contains(LaunchedStep step) {
        return flights.stream()
                .map(Flight::step)
                .anyMatch(each -> each.epoch() == step.epoch() && each.number() == step.number());
    }

    /// Returns whether a row of this step was sent ahead of a token that a step samples, and its
    /// mask depends on it.
    boolean decide(Step step) {
        for (Flight flight : flights) {
            for (Step.Row row : step.rows()) {
                Constraint constraint = flight.step().constraints().get(row.slot());
                if (constraint != null && constraint.mayRunAhead()) {
                    return true;
                }
            }
        }
        return false;
    }

    /// Returns whether the oldest step can complete without waiting.
    boolean oldestReached() {
        return !isEmpty() && flights.getFirst().step().mark().reached();
    }

    Flight removeOldest() {
        return flights.removeFirst();
    }

    void clear() {
        flights.clear();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// The upper bound of a step.
///
/// @param tokens number of tokens at the beginning of their sequences
/// @param doublingPosition the position where a token takes twice the time of one at the beginning,
///   because it attends to all preceding ones; 0 if it was not measured or took no longer
/// @param limit the number up to which the scheduler may go when its measurements allow more; 0 if
///   `tokens` was given
record StepBudget(int tokens, int doublingPosition, int limit) {
    /// Creates a budget that was given and stays.
    static StepBudget given(int tokens) {
        return new StepBudget(tokens, 0, 0);
    }
}

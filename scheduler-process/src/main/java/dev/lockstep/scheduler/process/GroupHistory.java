// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

/// What happened to the groups of this process so far, for metrics.
///
/// @param formations groups that were formed
/// @param losses groups that were lost, other than for another number of ranks
/// @param migrations how often a sequence that had begun went on in another group, also one that
///   another scheduler had begun
/// @param poisoned sequences that ended because they end the ranks that run them
/// @param parked sequences that wait for the next group now
record GroupHistory(long formations, long losses, long migrations, long poisoned, int parked) {}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// What a worker does at one moment, for whoever looks for a fault. Nothing waits for the step
/// thread, which may be in a sum.
///
/// @param rank of `ranks`
/// @param highestEpoch the highest that it has seen
/// @param formed whether it belongs to a formed group
/// @param ops that have finished since the start
/// @param deviceBytes that are allocated
record WorkerFacts(
        String group,
        int rank,
        int ranks,
        String device,
        String instructionSet,
        String shard,
        long highestEpoch,
        boolean formed,
        long ops,
        long deviceBytes,
        Steps steps) {

    /// The state of the step thread.
    ///
    /// @param epoch that is formed, or 0
    /// @param lastFinished the number of the last step that has finished in it
    /// @param waiting commands that wait for the thread
    /// @param joins that wait for the thread: what it does is aborted then
    /// @param aborted why the epoch is aborted; empty if it is not
    record Steps(long epoch, long lastFinished, int waiting, long joins, String aborted) {}
}

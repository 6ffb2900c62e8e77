// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// Counts what a grammar costs against its limits.
final class Budget {
    private final GrammarLimits limits;
    private long workLimit;
    private long work;
    private long bytes;

    Budget(GrammarLimits limits) {
        this.limits = limits;
        this.workLimit = limits.compileWork();
    }

    GrammarLimits limits() {
        return limits;
    }

    /// Starts the count of work anew, for one call of a matcher.
    void beginCall() {
        work = 0;
        workLimit = limits.callWork();
    }

    void work(long operations) {
        work += operations;
        if (work > workLimit) {
            throw new GrammarException(
                    "the grammar needs more than %d operations at once".formatted(workLimit));
        }
    }

    void allocate(long size) {
        bytes += size;
        if (bytes > limits.bytes()) {
            throw new GrammarException(
                    "the grammar needs more than %d bytes of memory".formatted(limits.bytes()));
        }
    }

    void release(long size) {
        bytes -= size;
    }

    long bytes() {
        return bytes;
    }

    void checkDepth(int depth) {
        if (depth > limits.depth()) {
            throw new GrammarException(
                    "the grammar nests deeper than %d".formatted(limits.depth()));
        }
    }

    void checkNodes(int nodes) {
        if (nodes > limits.nodes()) {
            throw new GrammarException(
                    "the grammar has more than %d parts".formatted(limits.nodes()));
        }
    }
}

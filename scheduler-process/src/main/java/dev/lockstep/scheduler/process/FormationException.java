// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

/// A group could not be formed.
final class FormationException extends Exception {
    private static final long serialVersionUID = 1;

    private final boolean refused;
    private final long highestEpoch;

    private FormationException(String message, boolean refused, long highestEpoch) {
        super(message);
        this.refused = refused;
        this.highestEpoch = highestEpoch;
    }

    /// Reports that the ranks do not fit together: another attempt is useless until one of them is
    /// another process.
    static FormationException refused(String message) {
        return new FormationException(message, true, 0);
    }

    /// Reports that a rank was lost during the formation, or did not answer in time.
    static FormationException lost(String message) {
        return new FormationException(message, false, 0);
    }

    /// Reports that a rank has accepted a higher epoch.
    static FormationException stale(String message, long highestEpoch) {
        return new FormationException(message, false, highestEpoch);
    }

    boolean isRefusal() {
        return refused;
    }

    /// The highest epoch that a rank has seen, 0 when that was not the reason.
    long highestEpoch() {
        return highestEpoch;
    }
}

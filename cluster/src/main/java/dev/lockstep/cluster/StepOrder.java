// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

/// The order of the steps that a worker runs in one epoch: 1, 2, 3 …, each once. Independent of
/// threads and transports; its owner guards it.
public final class StepOrder {
    private final long epoch;
    private long last;

    public StepOrder(long epoch) {
        this.epoch = epoch;
    }

    /// Returns the number of the last step that ran; 0 for none.
    public long last() {
        return last;
    }

    /// Throws unless this is the next step of the epoch.
    public void require(long ofEpoch, long number) {
        if (ofEpoch != epoch || number != last + 1) {
            throw new IllegalStateException(
                    "step (%d, %d) after (%d, %d)".formatted(ofEpoch, number, epoch, last));
        }
    }

    /// Counts the next step.
    public void ran() {
        last++;
    }
}

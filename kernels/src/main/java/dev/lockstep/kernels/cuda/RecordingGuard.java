// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.jspecify.annotations.Nullable;

/// Whether a thread records: until it has ended, its waits, allocations and host copies are
/// refused, before the driver sees them. Other threads go on.
final class RecordingGuard {
    private volatile @Nullable Thread recording;

    /// Begins a recording by the calling thread.
    void begin() {
        refuse("a recording");
        recording = Thread.currentThread();
    }

    void end() {
        recording = null;
    }

    /// Throws if the calling thread records.
    void refuse(String what) {
        if (Thread.currentThread().equals(recording)) {
            throw new IllegalStateException(what + " within a recording");
        }
    }
}

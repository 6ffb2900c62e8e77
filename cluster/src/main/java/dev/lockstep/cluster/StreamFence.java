// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.Optional;

/// The fence of a worker: of all schedulers that reach it, it obeys one stream at a time, that of
/// the highest epoch it has seen. A scheduler that was paused or cut off, and does not know that
/// another one leads, is stopped here and nowhere else.
///
/// Independent of threads and transports; its owner guards it.
///
/// @param <S> a stream; two are the same one when they are equal
public final class StreamFence<S> {
    private long highestEpoch;
    private Optional<S> current = Optional.empty();

    /// Returns the highest epoch that was adopted; 0 for none.
    public long highestEpoch() {
        return highestEpoch;
    }

    /// Adopts an epoch for a stream, which replaces the current one. Returns false, and changes
    /// nothing, when the epoch is not above every other one.
    public boolean adopt(long epoch, S stream) {
        if (epoch <= highestEpoch) {
            return false;
        }
        highestEpoch = epoch;
        current = Optional.of(stream);
        return true;
    }

    /// Returns the stream that is obeyed.
    public Optional<S> current() {
        return current;
    }

    /// Whether this stream is obeyed.
    public boolean admits(S stream) {
        return current.isPresent() && current.get().equals(stream);
    }

    /// Forgets a stream that has ended. Returns whether it was the current one.
    public boolean release(S stream) {
        boolean was = admits(stream);
        if (was) {
            current = Optional.empty();
        }
        return was;
    }
}

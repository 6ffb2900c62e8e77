// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.time.Duration;
import java.util.function.Supplier;

/// How a rank waits for the others of its group.
///
/// @param timeout after which it gives up
/// @param abortReason why nobody wants the group any more, empty while somebody does; the thread
///   that waits asks again and again
public record Meeting(Duration timeout, Supplier<String> abortReason) {

    public static Meeting within(Duration timeout) {
        return new Meeting(timeout, () -> "");
    }

    void requireWanted(int rank) {
        String reason = abortReason.get();
        if (!reason.isEmpty()) {
            throw new CommunicatorAbortedException(
                    "aborted by rank %d: %s".formatted(rank, reason));
        }
    }
}

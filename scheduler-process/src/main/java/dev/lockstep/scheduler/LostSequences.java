// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// The sequences of a lost group, in order of arrival.
///
/// @param parked can be resumed by the scheduler of the next group
/// @param poisoned ended: each was alone in its step when a rank failed for the second time
public record LostSequences(List<Sequence> parked, List<Sequence> poisoned) {
    public LostSequences {
        parked = List.copyOf(parked);
        poisoned = List.copyOf(poisoned);
    }
}

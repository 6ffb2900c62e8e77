// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// A request of a simulated client.
///
/// @param resumable whether a scheduler keeps it for a while when its coordinator is gone
record RequestRecord(
        String id,
        int[] prompt,
        List<Choice> choices,
        SchedulingOptions options,
        WantedOutputs wanted,
        boolean resumable) {
    RequestRecord {
        choices = List.copyOf(choices);
    }
}

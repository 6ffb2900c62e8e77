// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.Formed;
import java.util.List;

/// What the ranks of a group found in one canary step.
///
/// @param checksums of the residual, by rank
/// @param repeats whether another canary step of the same epoch must find the same bits
record CanaryAnswer(int token, List<Integer> checksums, boolean repeats) {
    CanaryAnswer {
        checksums = List.copyOf(checksums);
    }

    static CanaryAnswer of(List<Formed> formed) {
        return new CanaryAnswer(
                formed.getFirst().getCanary().getToken(),
                formed.stream().map(each -> each.getCanary().getChecksum()).toList(),
                formed.stream().allMatch(Formed::getCanaryRepeats));
    }
}

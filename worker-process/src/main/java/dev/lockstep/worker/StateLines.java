// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;

/// The states of sequences, a line for each slot and then a line for each snapshot, and the copies
/// between them that a step brings.
///
/// Belongs to the step thread.
///
/// @param kvGroup the number of the group of states in a model that has one: that after all others
record StateLines(Kernels kernels, Tensor states, int kvGroup) {

    /// Makes the copies of states, one after the other, and returns those of blocks.
    List<Step.Copy> copy(List<Step.Copy> copies) {
        if (states.columns() == 0) {
            return copies;
        }
        List<Step.Copy> others = new ArrayList<>(copies.size());
        for (Step.Copy copy : copies) {
            if (copy.kvGroup() == kvGroup) {
                kernels.copy(line(copy.from()), line(copy.to()));
            } else {
                others.add(copy);
            }
        }
        return others;
    }

    private Tensor line(int number) {
        if (number < 0 || number >= states.rows()) {
            throw new IllegalArgumentException(
                    "line %d of states, must be 0 to %d".formatted(number, states.rows() - 1));
        }
        return states.rows(number, number + 1);
    }
}

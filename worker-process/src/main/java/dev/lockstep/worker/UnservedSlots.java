// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The slots of refused requests that ask for what the model does not compute: tokens of a model
/// without an output head, or keys and values that an encoder keeps.
///
/// The scheduler learns of the refusal with the result of the step, for which it has planned rows
/// and expects tokens of them, perhaps for the next one too. So these rows are left out, or sample
/// nothing, and are answered with token 0, which the scheduler drops.
///
/// Not thread-safe; belongs to the step thread.
final class UnservedSlots {
    /// @param computes whether rows of known ids are computed: the blocks that they fill may have
    ///   names
    /// @param ids number of known ids, whose last row samples
    private record Unserved(boolean computes, boolean samples, int ids) {
        boolean computes(Step.Row row) {
            return computes && end(row) <= ids;
        }

        boolean samples(Step.Row row) {
            return samples && end(row) >= ids;
        }

        private static int end(Step.Row row) {
            return row.computed() + row.count();
        }
    }

    private final Map<Integer, Unserved> slots = new HashMap<>();

    /// Adds the slot of an admission.
    void add(Step.Admission admission, boolean computes) {
        int ids = admission.promptIds().length + admission.outputIds().length;
        slots.put(admission.slot(), new Unserved(computes, admission.generates(), ids));
    }

    void release(int slot) {
        slots.remove(slot);
    }

    /// Returns the rows that are computed.
    List<Step.Row> computed(List<Step.Row> rows) {
        return slots.isEmpty()
                ? rows
                : rows.stream()
                        .filter(
                                row ->
                                        !slots.containsKey(row.slot())
                                                || slots.get(row.slot()).computes(row))
                        .toList();
    }

    /// Returns the tokens that stand for those of rows which would sample.
    List<StepOutcome.Sampled> answers(List<Step.Row> rows) {
        return slots.isEmpty()
                ? List.of()
                : rows.stream()
                        .filter(
                                row ->
                                        slots.containsKey(row.slot())
                                                && slots.get(row.slot()).samples(row))
                        .map(row -> new StepOutcome.Sampled(row.slot(), 0, Optional.empty()))
                        .toList();
    }
}

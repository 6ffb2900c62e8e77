// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.grammar.GrammarException;
import dev.lockstep.kernels.Sampler;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Masks what the constrained slots of a step may sample, and follows what they did. A slot whose
/// constraint cannot be followed is refused, and the step runs all the same.
///
/// The scheduler sends no row of a constrained slot before it has the result of the one before,
/// unless that row does not depend on it, or steps end with their launches: so the text that a mask
/// depends on is known here.
final class ConstrainedSlots {
    private final SlotTable slots;
    private final Sampler sampler;

    ConstrainedSlots(SlotTable slots, Sampler sampler) {
        this.slots = slots;
        this.sampler = sampler;
    }

    /// Restricts an admitted slot to the ids that its request allows. A constraint keeps to them
    /// wherever it masks.
    void admit(Step.Admission admission, int vocabulary) {
        if (admission.settings().restricts()) {
            sampler.allow(admission.slot(), admission.settings().mask(vocabulary));
        }
    }

    /// Masks the rows that sample; before their ops are called.
    ///
    /// @param refused receives the slots that are refused
    /// @return the constraints of the slots that have one, for [#follow]
    Map<Integer, Constraint> mask(int[] sampling, List<StepOutcome.Refused> refused) {
        Map<Integer, Constraint> constraints = new HashMap<>();
        for (int slot : sampling) {
            Constraint constraint = slots.at(slot).constraint().orElse(null);
            if (constraint == null || constraint.complete()) {
                continue;
            }
            try {
                constraint.mask().ifPresent(mask -> sampler.allow(slot, mask));
                constraints.put(slot, constraint);
            } catch (GrammarException e) {
                slots.at(slot).refuse();
                refused.add(refusal(slot, e));
            }
        }
        return constraints;
    }

    /// Follows the ids that a step sampled, and returns them with what is known after each. Only
    /// where a step ends with its launch is it said that the next token is open: elsewhere the
    /// launch of a row that is sent ahead would wait, and the other rows of its step with it.
    List<StepOutcome.Sampled> follow(
            LaunchedStep step,
            List<StepOutcome.Sampled> sampled,
            List<StepOutcome.Refused> refused) {
        if (step.constraints().isEmpty()) {
            return sampled;
        }
        List<StepOutcome.Sampled> followed = new ArrayList<>(sampled.size());
        for (StepOutcome.Sampled each : sampled) {
            followed.add(follow(step, each, refused));
        }
        return followed;
    }

    private static StepOutcome.Sampled follow(
            LaunchedStep step, StepOutcome.Sampled sampled, List<StepOutcome.Refused> refused) {
        Constraint constraint = step.constraints().get(sampled.slot());
        if (constraint == null) {
            return sampled;
        }
        try {
            Constraint.Continuation next = constraint.sampled(sampled.id());
            return new StepOutcome.Sampled(
                    sampled.slot(),
                    sampled.id(),
                    sampled.logprobs(),
                    step.ended() ? next : next.notOpen());
        } catch (GrammarException e) {
            refused.add(refusal(sampled.slot(), e));
            return sampled;
        }
    }

    private static StepOutcome.Refused refusal(int slot, GrammarException why) {
        return new StepOutcome.Refused(
                slot, "the constraint cannot be followed: " + why.getMessage());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Assigns the tokens and outputs of a step to their sequences, and ends the sequences that are
/// complete. A token for a sequence that has already ended is dropped: steps in flight may still
/// return some.
final class Generation {
    private final RunningSequences running;
    private final WaitingRoom waiting;
    private final Timeline timeline;
    private final StepResult.@Nullable Sampled[] tokenOfSlot;
    private final Map<Integer, List<PositionOutputs>> outputsOfSlot = new HashMap<>();
    private long generated;

    Generation(int slots, RunningSequences running, WaitingRoom waiting, Timeline timeline) {
        this.tokenOfSlot = new StepResult.Sampled[slots];
        this.running = running;
        this.waiting = waiting;
        this.timeline = timeline;
    }

    /// Tokens appended to sequences; dropped ones do not count.
    long generated() {
        return generated;
    }

    /// Applies a result. Throws, and changes nothing, unless it contains exactly what the plan
    /// requires.
    List<SequenceEvent> apply(StepPlan plan, StepResult result) {
        sortTokens(plan, result);
        sortOutputs(plan, result);
        List<SequenceEvent> refused =
                result.refused().stream().map(each -> refused(plan, each)).toList();
        var events = new ArrayList<SequenceEvent>(result.sampled().size());
        for (SequenceEvent each : refused) {
            if (each.sequence().live()) {
                running.end(each.sequence(), Sequence.State.REFUSED);
                events.add(each);
            }
        }
        for (StepPlan.Row row : plan.rows()) {
            if (!outputsOfSlot.isEmpty()) {
                outputsOfSlot
                        .getOrDefault(row.slot(), List.of())
                        .forEach(each -> deliver(row.sequence(), each, events));
            }
            if (row.samples()) {
                append(row.sequence(), tokenOf(plan, row), events);
            } else if (row.ends() && row.sequence().live()) {
                end(row.sequence(), events);
            }
        }
        return events;
    }

    private static SequenceEvent refused(StepPlan plan, StepResult.Refused refused) {
        for (StepPlan.Admission admission : plan.admitted()) {
            if (admission.slot() == refused.slot()) {
                return new SequenceEvent.Refused(admission.sequence(), refused.reason());
            }
        }
        for (StepPlan.Row row : plan.rows()) {
            if (row.slot() == refused.slot()) {
                return new SequenceEvent.Refused(row.sequence(), refused.reason());
            }
        }
        throw new IllegalStateException(
                "step %d refused slot %d, which it does not have"
                        .formatted(plan.number(), refused.slot()));
    }

    /// Puts the tokens into [#tokenOfSlot]. Throws unless there is exactly one for each row that
    /// samples.
    private void sortTokens(StepPlan plan, StepResult result) {
        Arrays.fill(tokenOfSlot, null);
        for (StepResult.Sampled sampled : result.sampled()) {
            if (sampled.slot() < 0 || sampled.slot() >= tokenOfSlot.length) {
                throw new IllegalStateException(
                        "a token for slot " + sampled.slot() + " of " + tokenOfSlot.length);
            }
            tokenOfSlot[sampled.slot()] = sampled;
        }
        int expected = 0;
        for (StepPlan.Row row : plan.rows()) {
            if (row.samples()) {
                expected++;
                var _ = tokenOf(plan, row);
            }
        }
        if (expected != result.sampled().size()) {
            throw new IllegalStateException(
                    "step "
                            + plan.number()
                            + " returned "
                            + result.sampled().size()
                            + " tokens, expected "
                            + expected);
        }
    }

    private StepResult.Sampled tokenOf(StepPlan plan, StepPlan.Row row) {
        StepResult.Sampled token = tokenOfSlot[row.slot()];
        if (token == null) {
            throw new IllegalStateException(
                    "step " + plan.number() + " returned no token for slot " + row.slot());
        }
        return token;
    }

    /// Puts the outputs into [#outputsOfSlot]. Throws unless every slot with outputs has a row in
    /// the plan whose sequence requested some.
    private void sortOutputs(StepPlan plan, StepResult result) {
        outputsOfSlot.clear();
        if (result.outputs().isEmpty()) {
            return;
        }
        for (StepPlan.Row row : plan.rows()) {
            if (row.sequence().wanted().any()) {
                outputsOfSlot.put(row.slot(), new ArrayList<>());
            }
        }
        for (StepResult.Outputs outputs : result.outputs()) {
            List<PositionOutputs> known = outputsOfSlot.get(outputs.slot());
            if (known == null) {
                throw new IllegalStateException(
                        "step %d returned outputs for slot %d, which requested none"
                                .formatted(plan.number(), outputs.slot()));
            }
            known.add(outputs.values());
        }
    }

    private static void deliver(
            Sequence sequence, PositionOutputs outputs, List<SequenceEvent> events) {
        if (!sequence.live()) {
            return;
        }
        PositionOutputs fresh = sequence.delivered.advance(outputs);
        if (!fresh.isEmpty()) {
            events.add(new SequenceEvent.Computed(sequence, fresh));
        }
    }

    private void append(Sequence sequence, StepResult.Sampled sampled, List<SequenceEvent> events) {
        boolean known = sequence.tokenArrived();
        if (known || !sequence.live()) {
            return;
        }
        add(sequence, sampled.token(), events);
        Choice choice = sequence.choice();
        int id = sampled.token().id();
        if (sequence.outputCount() > choice.minTokens() && choice.stopsAt(id)) {
            running.end(sequence, Sequence.State.FINISHED);
            events.add(new SequenceEvent.Stopped(sequence, id));
            return;
        }
        List<Integer> forced = sampled.forced();
        int added = Math.min(forced.size(), choice.maxTokens() - sequence.outputCount());
        for (int i = 0; i < added; i++) {
            add(sequence, SampledToken.of(forced.get(i)), events);
        }
        sequence.goFree(sampled.free());
        if (sampled.complete() && added == forced.size()) {
            running.end(sequence, Sequence.State.FINISHED);
            events.add(new SequenceEvent.Stopped(sequence, SequenceEvent.NO_TOKEN));
        } else if (sequence.outputCount() == choice.maxTokens()) {
            end(sequence, events);
        } else {
            sequence.open(sampled.open());
            if (added > 0) {
                // A row in flight computes the sampled id, the next one those after it.
                sequence.tellFrom(sequence.computed());
                sequence.foresee();
            }
        }
    }

    private void add(Sequence sequence, SampledToken token, List<SequenceEvent> events) {
        int position = sequence.append(token.id());
        generated++;
        if (sequence.state() == Sequence.State.WAITING) {
            waiting.grew();
        }
        timeline.generated(sequence);
        events.add(new SequenceEvent.Generated(sequence, position, token));
    }

    private void end(Sequence sequence, List<SequenceEvent> events) {
        running.end(sequence, Sequence.State.FINISHED);
        events.add(new SequenceEvent.LengthReached(sequence));
    }
}

package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.List;

/// Gives the tokens a step brought to their sequences, and ends those that are done. What a
/// sequence overshoots after its end is masked: steps in flight may still bring tokens for it.
final class Generation {
    private final PlanInProgress sequences;
    private final WaitingRoom waiting;
    private final Timeline timeline;
    private final StepTokens tokens;
    private final StepOutputs outputs = new StepOutputs();
    private long generated;

    Generation(int slots, PlanInProgress sequences, WaitingRoom waiting, Timeline timeline) {
        this.sequences = sequences;
        this.waiting = waiting;
        this.timeline = timeline;
        this.tokens = new StepTokens(slots);
    }

    /// Tokens that were not masked.
    long generated() {
        return generated;
    }

    /// Throws, and changes nothing, unless the result brings what the plan asked for.
    List<SequenceEvent> take(StepPlan plan, StepResult result) {
        tokens.sort(plan, result);
        outputs.sort(plan, result);
        var events = new ArrayList<SequenceEvent>(result.sampled().size());
        for (var row : plan.rows()) {
            if (outputs.any()) {
                outputs.of(row).forEach(each -> deliver(row.sequence(), each, events));
            }
            if (row.samples()) {
                take(row.sequence(), tokens.of(row), events);
            } else if (row.ends() && row.sequence().live()) {
                end(row.sequence(), events);
            }
        }
        return events;
    }

    private static void deliver(
            Sequence sequence, PositionOutputs outputs, List<SequenceEvent> events) {
        if (!sequence.live()) {
            return;
        }
        var fresh = sequence.outputCursor.advance(outputs);
        if (!OutputCursor.isEmpty(fresh)) {
            events.add(new SequenceEvent.Computed(sequence, fresh));
        }
    }

    private void end(Sequence sequence, List<SequenceEvent> events) {
        sequences.end(sequence, Sequence.State.FINISHED);
        events.add(new SequenceEvent.LengthReached(sequence));
    }

    private void take(Sequence sequence, SampledToken token, List<SequenceEvent> events) {
        sequence.settle();
        if (!sequence.live()) {
            return;
        }
        int position = sequence.append(token.id());
        generated++;
        if (sequence.state() == Sequence.State.WAITING) {
            waiting.grew();
        }
        timeline.generated(sequence);
        events.add(new SequenceEvent.Generated(sequence, position, token));
        var sampling = sequence.sampling();
        boolean stops =
                sequence.outputCount() > sampling.minTokens() && sampling.stopsAt(token.id());
        if (stops) {
            sequences.end(sequence, Sequence.State.FINISHED);
            events.add(new SequenceEvent.Stopped(sequence, token.id()));
        } else if (sequence.outputCount() == sampling.maxTokens()) {
            end(sequence, events);
        }
    }
}

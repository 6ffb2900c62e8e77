package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The outputs of positions that a step brought, by slot; mostly none.
final class StepOutputs {
    private final Map<Integer, List<PositionOutputs>> ofSlot = new HashMap<>();

    /// Throws unless every slot with outputs has a row in the plan whose sequence wants some.
    void sort(StepPlan plan, StepResult result) {
        ofSlot.clear();
        if (result.outputs().isEmpty()) {
            return;
        }
        for (var row : plan.rows()) {
            if (row.sequence().wanted().any()) {
                ofSlot.put(row.slot(), new ArrayList<>());
            }
        }
        for (var outputs : result.outputs()) {
            var known = ofSlot.get(outputs.slot());
            if (known == null) {
                throw new IllegalStateException(
                        "step %d brought outputs for slot %d, which wants none"
                                .formatted(plan.number(), outputs.slot()));
            }
            known.add(outputs.values());
        }
    }

    boolean any() {
        return !ofSlot.isEmpty();
    }

    List<PositionOutputs> of(StepPlan.Row row) {
        return ofSlot.getOrDefault(row.slot(), List.of());
    }
}

package dev.lockstep.scheduler;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The tokens a step brought, by slot; read once after they were checked against the plan.
final class StepTokens {
    private final @Nullable SampledToken[] tokenOfSlot;

    StepTokens(int slots) {
        tokenOfSlot = new SampledToken[slots];
    }

    /// Throws unless the result brings exactly one token for each row of the plan that samples.
    void sort(StepPlan plan, StepResult result) {
        Arrays.fill(tokenOfSlot, null);
        for (var sampled : result.sampled()) {
            if (sampled.slot() < 0 || sampled.slot() >= tokenOfSlot.length) {
                throw new IllegalStateException(
                        "a token for slot " + sampled.slot() + " of " + tokenOfSlot.length);
            }
            tokenOfSlot[sampled.slot()] = sampled.token();
        }
        int asked = 0;
        for (var row : plan.rows()) {
            if (row.samples()) {
                asked++;
                if (tokenOfSlot[row.slot()] == null) {
                    throw new IllegalStateException(
                            "step " + plan.number() + " brought no token for slot " + row.slot());
                }
            }
        }
        if (asked != result.sampled().size()) {
            throw new IllegalStateException(
                    "step "
                            + plan.number()
                            + " brought "
                            + result.sampled().size()
                            + " tokens, asked for "
                            + asked);
        }
    }

    /// The token of a row that samples.
    SampledToken of(StepPlan.Row row) {
        var token = tokenOfSlot[row.slot()];
        if (token == null) {
            throw new IllegalStateException("no token for slot " + row.slot());
        }
        return token;
    }
}

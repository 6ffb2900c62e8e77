// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.scheduler.WantedOutputs;
import java.util.List;
import org.junit.jupiter.api.Test;

final class GenerateRequestTest {
    private static final int PROMPT_LENGTH = 9;

    /// Returns the outputs that the workers are requested to compute.
    private static PromptOutputs requested(WantedOutputs wanted) throws Exception {
        return PromptOutputs.parseFrom(wanted.request().bytes());
    }

    @Test
    void theSecondTextBeginsInThePrompt() {
        var request =
                dev.lockstep.proto.v1.GenerateRequest.newBuilder()
                        .addAllPromptIds(List.of(1, 2, 3))
                        .setChoices(1)
                        .setMaxTokens(1);
        request.getOutputsBuilder().setSecondText(2);
        assertEquals(2, GenerateRequest.fromProto(request.build()).outputs().getSecondText());
        for (int wrong : new int[] {-1, 3}) {
            request.getOutputsBuilder().setSecondText(wrong);
            assertEquals(
                    "outputs.second_text is " + wrong + ", it must lie in [0, 2]",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> GenerateRequest.fromProto(request.build()))
                            .getMessage());
        }
    }

    @Test
    void theFirstChoiceReportsAllRequestedOutputs() throws Exception {
        PromptOutputs outputs =
                PromptOutputs.newBuilder()
                        .setFrom(4)
                        .setLogprobs(true)
                        .setTopLogprobs(2)
                        .setHiddenStates(true)
                        .build();
        WantedOutputs wanted = GenerateRequest.wanted(outputs, 0, PROMPT_LENGTH);
        assertEquals(4, wanted.from());
        assertEquals(outputs, requested(wanted));
    }

    @Test
    void furtherChoicesReportOnlyHiddenStatesOfGeneratedPositions() throws Exception {
        PromptOutputs outputs =
                PromptOutputs.newBuilder()
                        .setFrom(4)
                        .setLogprobs(true)
                        .setTopLogprobs(2)
                        .setHiddenStates(true)
                        .build();
        WantedOutputs wanted = GenerateRequest.wanted(outputs, 1, PROMPT_LENGTH);
        assertEquals(PROMPT_LENGTH, wanted.from());
        assertEquals(
                PromptOutputs.newBuilder().setFrom(PROMPT_LENGTH).setHiddenStates(true).build(),
                requested(wanted));
    }

    @Test
    void furtherChoicesReportNothingWithoutHiddenStates() {
        PromptOutputs outputs =
                PromptOutputs.newBuilder().setFrom(4).setLogprobs(true).setTopLogprobs(2).build();
        assertEquals(WantedOutputs.NONE, GenerateRequest.wanted(outputs, 1, PROMPT_LENGTH));
    }

    @Test
    void withoutRequestedOutputsNothingIsReported() {
        PromptOutputs none = PromptOutputs.newBuilder().setFrom(4).build();
        WantedOutputs wanted = GenerateRequest.wanted(none, 0, PROMPT_LENGTH);
        assertEquals(WantedOutputs.NONE, wanted);
        assertFalse(wanted.any());
        assertEquals(WantedOutputs.NONE, GenerateRequest.wanted(none, 1, PROMPT_LENGTH));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static dev.lockstep.worker.TestSteps.admission;
import static dev.lockstep.worker.TestSteps.row;
import static dev.lockstep.worker.TestSteps.seeded;
import static dev.lockstep.worker.TestSteps.step;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.proto.MessageMutations;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.Step;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Whatever a step contains, the worker runs it or refuses it with a message, and serves on.
@Tag("sweep")
class StepFuzzTest extends TinyWorkerSetting {
    private static final int STEPS = 1200;

    @Test
    void aStepOfAnyContentIsRunOrRefusedByName() {
        var mutations = new MessageMutations(12, Set.of("epoch", "number"));
        Session session = worker.open(1);
        long epoch = 1;
        int ran = 0;
        int refused = 0;
        try {
            for (int i = 0; i < STEPS; i++) {
                Step.Builder step = i % 2 == 0 ? first(mutations) : second();
                List<String> changes = mutations.mutate(step);
                step.setEpoch(epoch).setNumber(session.lastNumber() + 1);
                try {
                    if (i % 2 == 1) {
                        session.run(
                                StepMessages.fromProto(prefill(session).build(), Optional.empty()));
                        step.setNumber(session.lastNumber() + 1);
                    }
                    session.run(StepMessages.fromProto(step.build(), Optional.empty()));
                    ran++;
                } catch (IllegalArgumentException | IllegalStateException e) {
                    assertTrue(e.getMessage() != null, () -> "a refusal without words: " + e);
                    refused++;
                } catch (RuntimeException e) {
                    throw new AssertionError(changes + " of step " + step, e);
                }
                session.close();
                session = worker.open(++epoch);
            }
            int[] prompt = TestSteps.PROMPT;
            int[] none = {};
            assertEquals(
                    2, TestWorker.generate(session, prompt, none, 2, TestWorker.seeded(1)).size());
        } finally {
            session.close();
        }
        assertTrue(ran > STEPS / 20 && refused > STEPS / 20, ran + " ran, " + refused + " refused");
    }

    private static Step.Builder prefill(Session session) {
        return TestSteps.prefill(session.epoch()).setNumber(session.lastNumber() + 1);
    }

    /// Returns a step that decodes in slot 0, copies a block, and prefills slot 3 from position 16
    /// on; also the messages that an admission carries as bytes may be changed.
    private static Step.Builder second() {
        return step(0, 0)
                .addCopies(BlockCopy.newBuilder().setFrom(1).setTo(7).setTokens(9))
                .addAdmitted(
                        admission(3, seeded(7))
                                .addAllPromptIds(List.of(9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
                                .addStopTokenIds(2)
                                .setMinTokens(3)
                                .setComputed(16)
                                .setOutputs(
                                        PromptOutputs.newBuilder()
                                                .setLogprobs(true)
                                                .setHiddenStates(true)
                                                .build()
                                                .toByteString()))
                .addRows(row(0, 10, 1))
                .addRows(row(3, 16, 4, 7, 8).addFullHashes(ByteString.copyFrom(new byte[16])));
    }

    private static Step.Builder first(MessageMutations mutations) {
        SamplingParams.Builder sampling =
                seeded(7).addLogitBias(LogitBias.newBuilder().setTokenId(5).setBias(1));
        PromptOutputs.Builder outputs = PromptOutputs.newBuilder().setLogprobs(true);
        mutations.mutate(sampling);
        mutations.mutate(outputs);
        return step(0, 0)
                .addAdmitted(admission(0, sampling).setOutputs(outputs.build().toByteString()))
                .addRows(row(0, 0, 10, 1));
    }
}

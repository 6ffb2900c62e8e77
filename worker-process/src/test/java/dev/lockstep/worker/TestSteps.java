// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.SamplingParams;
import java.util.List;

/// Steps for a worker on the tiny model, and assertions about them.
final class TestSteps {
    private TestSteps() {}

    static final int[] PROMPT = {5, 17, 200, 31, 8, 99, 301, 12, 64, 77};

    static dev.lockstep.proto.v1.Step.Builder step(long epoch, long number) {
        return dev.lockstep.proto.v1.Step.newBuilder().setEpoch(epoch).setNumber(number);
    }

    static Row.Builder row(int slot, int computed, int count, Integer... newBlocks) {
        return Row.newBuilder()
                .setSlot(slot)
                .setComputed(computed)
                .setCount(count)
                .addNewBlocks(BlockList.newBuilder().addAllIds(List.of(newBlocks)));
    }

    /// Greedy, everything else off.
    static SamplingParams.Builder greedy() {
        return SamplingParams.newBuilder().setTopP(1).setTypicalP(1).setRepetitionPenalty(1);
    }

    static SamplingParams.Builder seeded(long seed) {
        SamplingSettings same = TestWorker.seeded(seed);
        return greedy().setTemperature(same.temperature())
                .setTopP(same.topP())
                .setRepetitionPenalty(same.repetitionPenalty())
                .setFrequencyPenalty(same.frequencyPenalty())
                .setPresencePenalty(same.presencePenalty())
                .setSeed(seed)
                .setLogprobs(true)
                .setTopLogprobs(same.topLogprobs());
    }

    static Admission.Builder admission(int slot, SamplingParams.Builder sampling) {
        Admission.Builder admission =
                Admission.newBuilder()
                        .setSlot(slot)
                        .setGenerates(true)
                        .setSampling(sampling.build().toByteString());
        for (int id : PROMPT) {
            admission.addPromptIds(id);
        }
        return admission;
    }

    /// Returns a step that prefills the prompt in slot 0; block 1 has room for six more tokens.
    static dev.lockstep.proto.v1.Step.Builder prefill(long epoch) {
        return step(epoch, 1).addAdmitted(admission(0, seeded(42))).addRows(row(0, 0, 10, 1));
    }

    /// Asserts that a new epoch works from its Join to a token.
    static void assertServes(ServedWorker served, long epoch) throws Exception {
        try (TestScheduler scheduler = served.dial()) {
            scheduler.begin(epoch);
            scheduler.send(prefill(epoch));
            assertEquals(1, scheduler.result().getSampledCount());
        }
    }

    static void assertContains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "\"" + word + "\" is not in: " + text);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.checkpoint.SentenceDense;
import dev.lockstep.checkpoint.SentencePooling;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.TokenPrompt;
import java.util.List;
import org.junit.jupiter.api.Test;

final class VectorFormTest {
    private static final int ALL = Integer.MAX_VALUE;

    private static float[] formed(VectorForm form, int from, int length, Float... pooled) {
        RequestedOutputs outputs = RequestedOutputs.pooled(form.workerPooling(), from, length);
        return form.of(List.of(pooled), new TokenPrompt(new int[length], outputs));
    }

    @Test
    void aSumByTheRootOfTheLengthCountsThePooledTokensOnly() {
        var form = new VectorForm(SentencePooling.MEAN_SQRT_LENGTH, List.of(), false, ALL);
        assertArrayEquals(new float[] {3, -6}, formed(form, 0, 9, 1f, -2f));
        assertArrayEquals(new float[] {2, -4}, formed(form, 5, 9, 1f, -2f));
        var mean = new VectorForm(SentencePooling.MEAN, List.of(), false, ALL);
        assertArrayEquals(new float[] {1, -2}, formed(mean, 0, 9, 1f, -2f));
    }

    @Test
    void layersComeBeforeTheCutAndTheCutBeforeLengthOne() {
        var layer =
                new SentenceDense(
                        2,
                        3,
                        new float[] {1, 0, 0, 1, 1, 1},
                        new float[] {0, 1, 0},
                        SentenceDense.Activation.IDENTITY);
        var form = new VectorForm(SentencePooling.LAST, List.of(layer), true, 2);
        assertArrayEquals(new float[] {0.6f, 0.8f}, formed(form, 0, 4, 3f, 3f), 1e-7f);
        assertArrayEquals(
                new float[] {3, 4, 6}, formed(form.normalized(false).cutTo(ALL), 0, 4, 3f, 3f));
        assertArrayEquals(
                new float[] {0, 0},
                formed(new VectorForm(SentencePooling.LAST, List.of(), true, ALL), 0, 4, 0f, 0f));
    }
}

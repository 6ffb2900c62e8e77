// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class CommittedOutputsTest {
    private final CommittedOutputs committed = new CommittedOutputs();

    /// Returns what is new of the states of positions, two values for each.
    private List<Float> commit(int from, int to) {
        PositionOutputs.Builder outputs =
                PositionOutputs.newBuilder().setPosition(from).setHiddenSize(2);
        for (int position = from; position < to; position++) {
            outputs.addHiddenStates(position).addHiddenStates(position + 0.5F);
        }
        PositionOutputs fresh = committed.commit(outputs.build());
        if (fresh.getHiddenStatesCount() > 0) {
            assertEquals(fresh.getPosition(), (int) fresh.getHiddenStates(0));
        }
        return fresh.getHiddenStatesList();
    }

    private static List<Float> states(int from, int to) {
        List<Float> states = new ArrayList<>();
        for (int position = from; position < to; position++) {
            states.add((float) position);
            states.add(position + 0.5F);
        }
        return states;
    }

    @Test
    void everyPositionIsNewOnceHoweverOtherSchedulersDivideThem() {
        assertEquals(states(0, 30), commit(0, 30));
        assertEquals(List.of(), commit(0, 10));
        assertEquals(List.of(), commit(10, 20));
        assertEquals(states(30, 40), commit(20, 40));
        assertEquals(List.of(), commit(0, 5));
        assertEquals(states(40, 41), commit(5, 41));
        assertEquals(states(41, 50), commit(41, 50));
    }
}

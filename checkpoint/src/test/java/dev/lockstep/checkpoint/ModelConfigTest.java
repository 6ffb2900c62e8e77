// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class ModelConfigTest {
    private static final StateConfig STATE = new StateConfig.ShortConvolution(32, 3);

    @Test
    void aLayerIsInOnePagedGroupAndMayKeepAStateBesideIt() {
        KvGroup all = KvGroup.full(List.of(0, 1));
        KvGroup states = KvGroup.state(List.of(0, 1), STATE);
        assertTrue(of(all, states).keepsState(1));
        refused("layer 1 is in two KV groups", all, KvGroup.window(List.of(1), 4));
        refused("KV groups name 1 layers of 2", KvGroup.full(List.of(0)));
        refused(
                "the layers keep states alone: a model needs at least one layer of attention",
                states);
        refused("a KV group of states is not the only and last one", states, all);
    }

    private static void refused(String message, KvGroup... groups) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> of(groups)).getMessage());
    }

    private static ModelConfig of(KvGroup... groups) {
        var rope = new RopeConfig(10_000, 8, new RopeScaling.None());
        return new ModelConfig(
                "llama",
                32,
                2,
                64,
                96,
                512,
                1e-5,
                new AttentionConfig(4, 2, 8, false),
                rope,
                rope,
                true,
                List.of(groups),
                new SpecialIds(OptionalInt.empty(), List.of()),
                TensorType.F32);
    }
}

package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.WeightType;
import org.junit.jupiter.api.Test;

class WeightsTest {

    @Test
    void everyStoredTypeIsKnownToTheKernelsWithTheSameBlocks() {
        assertEquals(TensorType.values().length, WeightType.values().length);
        for (TensorType type : TensorType.values()) {
            WeightType own = Weights.type(type);
            assertEquals(type.blockSize(), own.blockSize());
            assertEquals(type.bytesPerBlock(), own.blockBytes());
        }
    }
}

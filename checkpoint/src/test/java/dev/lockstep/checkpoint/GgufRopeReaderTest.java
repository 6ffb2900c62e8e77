// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GgufRopeReaderTest {
    @Test
    void pairsOfGemma4ThatAreNotRotatedComeLast() {
        assertEquals(new RopeScaling.Proportional(1, 1), reader(4).rope(8, 64).scaling());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 5})
    void divisorsOfAnotherNumberOfPairsAreRefused(int count) {
        Refused.naming(
                () -> reader(count).rope(8, 64),
                "model.gguf: tensor rope_freqs.weight has %d values, expected one for each of 4 pairs of dimensions"
                        .formatted(count));
    }

    /// One divisor of 1 and then those of pairs that are not rotated.
    private static GgufRopeReader reader(int count) {
        ByteBuffer values = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            values.putFloat(i == 0 ? 1 : GgufRopeReader.NOT_ROTATED);
        }
        Path file = Path.of("model.gguf");
        var divisors =
                new StoredTensor(
                        file,
                        "rope_freqs.weight",
                        "F32",
                        Optional.of(TensorType.F32),
                        List.of((long) count),
                        new RowOrder.AsIs(),
                        MemorySegment.ofArray(values.array()));
        return new GgufRopeReader(
                new ArchitectureKeys(new GgufHeader().metadata(file), "gemma4"),
                Map.of("rope_freqs.weight", divisors));
    }
}

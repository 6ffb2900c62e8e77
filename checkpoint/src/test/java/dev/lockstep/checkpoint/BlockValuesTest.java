// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Tests of decoded blocks against the values of the gguf package;
/// `src/test/python/write_blocks.py` wrote them.
final class BlockValuesTest {

    @Test
    void valuesAreThoseOfTheReference() throws IOException {
        List<String> lines;
        try (InputStream in = BlockValuesTest.class.getResourceAsStream("blocks.txt")) {
            lines =
                    new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.US_ASCII)
                            .lines()
                            .toList();
        }
        assertEquals(5, lines.size());
        for (String line : lines) {
            String[] parts = line.split(" ", -1);
            TensorType type = TensorType.valueOf(parts[0]);
            float[] values =
                    BlockValues.of(
                                    matrix(
                                            type,
                                            type.blockSize(),
                                            HexFormat.of().parseHex(parts[1])))
                            .orElseThrow();
            assertEquals(parts.length - 2, values.length, parts[0]);
            for (int i = 0; i < values.length; i++) {
                float expected = Float.parseFloat(parts[i + 2]);
                assertEquals(
                        expected,
                        values[i],
                        1e-6f * Math.max(1, Math.abs(expected)),
                        parts[0] + " value " + i);
            }
        }
    }

    @Test
    void otherTypesAreLeftToTheirReaders() {
        assertEquals(Optional.empty(), BlockValues.of(matrix(TensorType.F32, 1, new byte[8])));
        assertEquals(Optional.empty(), BlockValues.of(matrix(TensorType.Q3_K, 256, new byte[220])));
    }

    private static WeightMatrix matrix(TensorType type, int columns, byte[] bytes) {
        return new WeightMatrix(
                "head", type, 2, columns, new RowOrder.AsIs(), MemorySegment.ofArray(bytes));
    }
}

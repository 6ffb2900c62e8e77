// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/// Tests of blocks against the values of the gguf package; `src/test/python/write_grid_blocks.py`
/// wrote them.
final class GridBlockTest {
    @Test
    void valuesHaveTheBitsOfTheReference() throws IOException {
        List<String> lines;
        try (InputStream in = GridBlockTest.class.getResourceAsStream("grid-blocks.txt")) {
            lines =
                    new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.US_ASCII)
                            .lines()
                            .toList();
        }
        assertEquals(
                Arrays.stream(TensorType.values())
                        .filter(TensorType::hasGridBlocks)
                        .map(TensorType::name)
                        .toList(),
                lines.stream().map(line -> line.substring(0, line.indexOf(' '))).toList());
        for (String line : lines) {
            String[] parts = line.split(" ", -1);
            TensorType type = TensorType.valueOf(parts[0]);
            MemorySegment data = MemorySegment.ofArray(HexFormat.of().parseHex(parts[1]));
            ByteBuffer expected = ByteBuffer.wrap(HexFormat.of().parseHex(parts[2]));
            var block = new GridBlock(type);
            for (int i = 0; i < 2 * GridBlock.SIZE; i++) {
                int at = i % GridBlock.SIZE;
                if (at == 0) {
                    block.read(data, (long) i / GridBlock.SIZE * type.blockBytes());
                }
                float value = block.factor() * block.subScale(at) * block.value(at);
                // A zero has no sign here.
                assertEquals(
                        expected.getInt(4 * i),
                        Float.floatToRawIntBits(value + 0f),
                        type + " value " + i);
            }
        }
    }

    @Test
    void otherTypesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new GridBlock(TensorType.Q4_K));
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufRewriteTest {
    private static final int ROWS = 3;
    private static final int COLUMNS = 64;
    private static final byte[] CODES = new byte[ROWS * COLUMNS / 32 * 34];

    @TempDir Path folder;

    private Path source;
    private Path target;

    @BeforeEach
    void writeSource() throws IOException {
        source = folder.resolve("source.gguf");
        target = folder.resolve("target.gguf");
        var header = new GgufHeader();
        header.put("general.architecture", "llama");
        header.put("general.file_type", 0);
        header.put("split.count", 1);
        header.put("llama.block_count", 1);
        header.tensor("token_embd.weight", 0, List.of((long) ROWS, (long) COLUMNS), 0);
        header.tensor("output_norm.weight", 0, List.of((long) COLUMNS), 4L * ROWS * COLUMNS);
        byte[] start = header.bytes();
        ByteBuffer file =
                ByteBuffer.allocate(start.length + 4 * (ROWS + 1) * COLUMNS)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .put(start);
        for (int i = 0; i < (ROWS + 1) * COLUMNS; i++) {
            file.putFloat(i);
        }
        Files.write(source, file.array());
        for (int i = 0; i < CODES.length; i++) {
            CODES[i] = (byte) i;
        }
    }

    @Test
    void theTargetHasTheMetadataAndTheTensorsInTheirNewTypes() {
        try (GgufRewrite rewrite = open("a")) {
            assertEquals(0, rewrite.done());
            write(rewrite);
            assertFalse(Files.exists(target));
            rewrite.finish();
        }
        GgufFile read = GgufFile.open(target);
        assertEquals(Optional.of("llama"), read.metadata().text("general.architecture"));
        assertEquals(Optional.of(1), read.metadata().size("llama.block_count"));
        assertEquals(Optional.of(7), read.metadata().size("general.file_type"));
        assertFalse(read.metadata().has("split.count"));
        StoredTensor embedding = tensor(read, "token_embd.weight");
        assertEquals("Q8_0", embedding.typeName());
        assertEquals(List.of((long) ROWS, (long) COLUMNS), embedding.shape());
        assertArrayEquals(CODES, embedding.data().toArray(ValueLayout.JAVA_BYTE));
        float[] norm = floats(tensor(read, "output_norm.weight").data());
        for (int i = 0; i < COLUMNS; i++) {
            assertEquals(ROWS * COLUMNS + i, norm[i]);
        }
    }

    @Test
    void anInterruptedRewriteGoesOnAfterItsLastWholeTensor() throws IOException {
        try (GgufRewrite rewrite = open("a")) {
            write(rewrite);
        }
        Path partial = folder.resolve("target.gguf.partial");
        byte[] whole = Files.readAllBytes(partial);
        try (var file = new RandomAccessFile(partial.toFile(), "rw")) {
            file.setLength(whole.length - 5);
        }
        try (GgufRewrite rewrite = open("a")) {
            assertEquals(1, rewrite.done());
            rewrite.copy(1);
            rewrite.finish();
        }
        assertArrayEquals(whole, Files.readAllBytes(target));
        assertFalse(Files.exists(partial));
    }

    @Test
    void aRewriteWithOtherSettingsBeginsAnew() {
        try (GgufRewrite rewrite = open("a")) {
            write(rewrite);
        }
        try (GgufRewrite rewrite = open("b")) {
            assertEquals(0, rewrite.done());
        }
    }

    @Test
    void twoRewritesOfOneTargetAreRefused() {
        try (GgufRewrite _ = open("a")) {
            String refusal =
                    assertThrows(CheckpointException.class, () -> open("a").close()).getMessage();
            assertTrue(refusal.endsWith("is written by another process"), refusal);
        }
    }

    @Test
    void dataOfAnotherSizeIsRefused() {
        try (GgufRewrite rewrite = open("a")) {
            assertEquals(
                    "bytes [200, 205) of piece 0, which has 204",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> rewrite.write(0, 200, MemorySegment.ofArray(new byte[5])))
                            .getMessage());
        }
    }

    private GgufRewrite open(String origin) {
        Function<WeightMatrix, Optional<TensorType>> types =
                matrix ->
                        matrix.columns() == COLUMNS
                                ? Optional.of(TensorType.Q8_0)
                                : Optional.empty();
        return GgufRewrite.open(source, target, types, 7, origin);
    }

    private static StoredTensor tensor(GgufFile file, String name) {
        return Objects.requireNonNull(file.tensors().get(name));
    }

    private static void write(GgufRewrite rewrite) {
        rewrite.write(0, 0, MemorySegment.ofArray(CODES));
        rewrite.copy(1);
    }

    private static float[] floats(MemorySegment data) {
        float[] values = new float[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            values[i] =
                    data.get(
                            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
                            4L * i);
        }
        return values;
    }
}

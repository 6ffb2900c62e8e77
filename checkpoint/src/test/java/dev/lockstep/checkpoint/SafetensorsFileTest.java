// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsFileTest {
    private static final Path PATH = Path.of("some/model.safetensors");

    @Test
    void writtenTensorsAreReadBack(@TempDir Path folder) throws IOException {
        Path path = folder.resolve("model.safetensors");
        byte[] halves = {1, 2, 3, 4, 5, 6};
        SafetensorsWriter.write(
                path,
                Map.of(
                        "a",
                        new SafetensorsWriter.Content("BF16", List.of(3L), halves),
                        "b",
                        SafetensorsWriter.Content.f32(List.of(1L, 2L), new float[] {1, -2})));
        Map<String, StoredTensor> tensors = SafetensorsFile.open(path).tensors();
        WeightMatrix a = named(tensors, "a").weight("a");
        assertEquals(TensorType.BF16, a.type());
        assertEquals(3, a.rows());
        assertArrayEquals(halves, a.data().toArray(ValueLayout.JAVA_BYTE));
        WeightMatrix b = named(tensors, "b").weight("b");
        assertEquals(-2f, b.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4));
    }

    @Test
    void aHeaderOfTwoToThe63BytesIsRefused() {
        byte[] bytes = file("{}", 0);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(Long.MIN_VALUE);
        Refused.naming(() -> read(bytes), PATH.toString(), "9223372036854775808", "download");
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(50_000_000);
        Refused.naming(() -> read(bytes), PATH.toString(), "50000008", "truncated");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '^',
            value = {
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}} | tensor a: shape [3] of F32 takes 12 bytes",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}} | beyond 2^63",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}} | holds -2",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}} | holds 1.5",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}} | holds 9999",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}} | not a list",
                "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}} | (absent)",
                "{\"a\":{\"dtype\":\"Q9\",\"shape\":[2],\"data_offsets\":[0,8]}} | unknown dtype",
                "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}} | unknown dtype",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}} | truncated",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}} | backwards",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}} | two byte positions",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}} | two byte positions",
                "{\"a\":7} | two byte positions",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | 4 bytes follow",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | gap",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | overlap",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | Duplicate",
                "[] | JSON object",
                "{\"a\": | not valid JSON",
                "{} x | not valid JSON"
            })
    void aDamagedHeaderIsRefusedByName(String header, String part) {
        Refused.naming(() -> read(file(header, 8)), PATH.toString(), part);
    }

    @Test
    void aTensorNameCannotBreakTheErrorLine() {
        String header = "{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}";
        Refused.naming(() -> read(file(header, 8)), "tensor a?b");
    }

    @Test
    void unsupportedTypesAreListedAndRefusedOnAccess() {
        SafetensorsFile file =
                read(file("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8));
        StoredTensor a = named(file.tensors(), "a");
        assertEquals("F64", a.info("a").typeName());
        Refused.naming(() -> a.weight("a"), PATH.toString(), "tensor a", "F64", "supported: [F32");
    }

    @Test
    void aFileCutAtAnyOfTwentyPlacesIsRefused() {
        byte[] whole =
                file("{\"a\":{\"dtype\":\"F32\",\"shape\":[100],\"data_offsets\":[0,400]}}", 400);
        for (int cut = 0; cut < 20; cut++) {
            byte[] part = Arrays.copyOf(whole, whole.length * cut / 20);
            Refused.naming(() -> read(part), PATH.toString(), "download it again");
        }
    }

    @Test
    void randomDamageIsEitherRefusedOrRead() {
        byte[] whole =
                file(
                        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[8,16]}}",
                        16);
        var random = new Random(11);
        for (int round = 0; round < 3_000; round++) {
            byte[] damaged = whole.clone();
            for (int i = 0; i <= random.nextInt(3); i++) {
                damaged[random.nextInt(damaged.length - 16)] = (byte) random.nextInt(128);
            }
            try {
                read(damaged).tensors().forEach((name, tensor) -> weightIfUsable(name, tensor));
            } catch (CheckpointException expected) {
                // The only exception a damaged file may cause.
            }
        }
    }

    private static void weightIfUsable(String name, StoredTensor tensor) {
        if (tensor.type().isPresent()) {
            WeightMatrix weight = tensor.weight(name);
            assertEquals(
                    tensor.data().byteSize(),
                    weight.rows() * weight.type().rowBytes(weight.columns()));
        }
    }

    private static SafetensorsFile read(byte[] bytes) {
        return SafetensorsFile.read(new MappedFile(PATH, MemorySegment.ofArray(bytes)));
    }

    private static byte[] file(String header, int dataBytes) {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer file =
                ByteBuffer.allocate(8 + text.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        return file.putLong(text.length).put(text).array();
    }

    private static StoredTensor named(Map<String, StoredTensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }
}

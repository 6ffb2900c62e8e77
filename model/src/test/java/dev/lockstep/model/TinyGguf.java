// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A GGUF file of F32 tensors that a test composes.
final class TinyGguf {
    private static final int UINT32 = 4;
    private static final int FLOAT32 = 6;
    private static final int TEXT = 8;

    private final Map<String, Object> metadata = new LinkedHashMap<>();
    private final Map<String, Stored> tensors = new LinkedHashMap<>();

    /// @param shape outermost dimension first
    private record Stored(List<Integer> shape, float[] values) {}

    TinyGguf(String architecture) {
        metadata.put("general.architecture", architecture);
    }

    /// Adds a number or a text.
    TinyGguf with(String key, Object value) {
        metadata.put(key, value);
        return this;
    }

    TinyGguf tensor(String name, float[] values, Integer... shape) {
        tensors.put(name, new Stored(List.of(shape), values));
        return this;
    }

    Path write(Path file) throws IOException {
        var head = new ByteArrayOutputStream();
        head.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        head.writeBytes(ints(3));
        head.writeBytes(longs(tensors.size(), metadata.size()));
        metadata.forEach((key, value) -> head.writeBytes(entry(key, value)));
        long offset = 0;
        for (Map.Entry<String, Stored> tensor : tensors.entrySet()) {
            List<Integer> shape = tensor.getValue().shape();
            head.writeBytes(text(tensor.getKey()));
            head.writeBytes(ints(shape.size()));
            shape.reversed().forEach(size -> head.writeBytes(longs(size)));
            head.writeBytes(ints(0));
            head.writeBytes(longs(offset));
            offset += padded(4L * tensor.getValue().values().length);
        }
        head.writeBytes(new byte[(int) (padded(head.size()) - head.size())]);
        for (Stored tensor : tensors.values()) {
            byte[] bytes = new byte[(int) padded(4L * tensor.values().length)];
            little(bytes).asFloatBuffer().put(tensor.values());
            head.writeBytes(bytes);
        }
        return Files.write(file, head.toByteArray());
    }

    private static byte[] entry(String key, Object value) {
        var out = new ByteArrayOutputStream();
        out.writeBytes(text(key));
        switch (value) {
            case Integer number -> out.writeBytes(ints(UINT32, number));
            case Float number -> out.writeBytes(ints(FLOAT32, Float.floatToIntBits(number)));
            case String words -> {
                out.writeBytes(ints(TEXT));
                out.writeBytes(text(words));
            }
            default -> throw new IllegalArgumentException(key + " is " + value);
        }
        return out.toByteArray();
    }

    private static byte[] text(String text) {
        byte[] words = text.getBytes(StandardCharsets.UTF_8);
        byte[] bytes = new byte[8 + words.length];
        little(bytes).putLong(words.length).put(words);
        return bytes;
    }

    private static byte[] ints(int... values) {
        byte[] bytes = new byte[4 * values.length];
        little(bytes).asIntBuffer().put(values);
        return bytes;
    }

    private static byte[] longs(long... values) {
        byte[] bytes = new byte[8 * values.length];
        little(bytes).asLongBuffer().put(values);
        return bytes;
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static long padded(long bytes) {
        return (bytes + 31) / 32 * 32;
    }
}

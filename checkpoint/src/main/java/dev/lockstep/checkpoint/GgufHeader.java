// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// The bytes of a GGUF file before its tensors' data, version 3, as they are put together.
public final class GgufHeader {
    static final int ALIGNMENT = 32;

    private static final int MAGIC = 0x46554747; // "GGUF" read little-endian
    private static final int VERSION = 3;
    private static final int UINT8 = 0;
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int BOOL = 7;
    private static final int ARRAY = 9;

    private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
    private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
    private final Set<String> names = new HashSet<>();
    private long tensorCount;

    /// Adds a key with the type and the bytes that it has in another file.
    void copy(String key, int type, MemorySegment value) {
        begin(key, type);
        keys.writeBytes(value.toArray(ValueLayout.JAVA_BYTE));
    }

    public void put(String key, int value) {
        begin(key, UINT32);
        integer(keys, value);
    }

    public void put(String key, float value) {
        begin(key, FLOAT32);
        integer(keys, Float.floatToIntBits(value));
    }

    public void put(String key, boolean value) {
        begin(key, BOOL);
        keys.write(value ? 1 : 0);
    }

    public void put(String key, String value) {
        begin(key, GgufPlace.TEXT);
        text(keys, value);
    }

    public void putTexts(String key, List<String> values) {
        beginList(key, GgufPlace.TEXT, values.size());
        values.forEach(value -> text(keys, value));
    }

    public void putIntegers(String key, List<Integer> values) {
        beginList(key, INT32, values.size());
        values.forEach(value -> integer(keys, value));
    }

    /// Adds a list of unsigned bytes.
    public void putBytes(String key, List<Integer> values) {
        beginList(key, UINT8, values.size());
        values.forEach(keys::write);
    }

    public void putFlags(String key, List<Boolean> values) {
        beginList(key, BOOL, values.size());
        values.forEach(value -> keys.write(value ? 1 : 0));
    }

    public void putFloats(String key, List<Float> values) {
        beginList(key, FLOAT32, values.size());
        values.forEach(value -> integer(keys, Float.floatToIntBits(value)));
    }

    private void begin(String key, int type) {
        text(keys, key);
        integer(keys, type);
        names.add(key);
    }

    /// Returns whether the file has a key already.
    public boolean has(String key) {
        return names.contains(key);
    }

    private void beginList(String key, int type, int count) {
        begin(key, ARRAY);
        integer(keys, type);
        whole(keys, count);
    }

    /// Returns the keys as a reader of the file will find them.
    ///
    /// @param path of the file, for messages
    public GgufMetadata metadata(Path path) {
        MemorySegment bytes = MemorySegment.ofArray(keys.toByteArray());
        return GgufMetadata.read(new GgufReader(path, bytes, 0), bytes, names.size());
    }

    /// Adds a tensor.
    ///
    /// @param type GGUF's number
    /// @param shape outermost dimension first
    /// @param offset from the start of the data, a multiple of [#ALIGNMENT]
    void tensor(String name, int type, List<Long> shape, long offset) {
        text(infos, name);
        integer(infos, shape.size());
        shape.reversed().forEach(dimension -> whole(infos, dimension));
        integer(infos, type);
        whole(infos, offset);
        tensorCount++;
    }

    /// Returns the header, which ends where the data begins.
    byte[] bytes() {
        var all = new ByteArrayOutputStream();
        integer(all, MAGIC);
        integer(all, VERSION);
        whole(all, tensorCount);
        whole(all, names.size());
        all.writeBytes(keys.toByteArray());
        all.writeBytes(infos.toByteArray());
        while (all.size() % ALIGNMENT != 0) {
            all.write(0);
        }
        return all.toByteArray();
    }

    private static void text(ByteArrayOutputStream out, String text) {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        whole(out, encoded.length);
        out.writeBytes(encoded);
    }

    private static void integer(ByteArrayOutputStream out, int value) {
        out.writeBytes(buffer(4).putInt(value).array());
    }

    private static void whole(ByteArrayOutputStream out, long value) {
        out.writeBytes(buffer(8).putLong(value).array());
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}

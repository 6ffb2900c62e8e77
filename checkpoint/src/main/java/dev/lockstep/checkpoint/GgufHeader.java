// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// The bytes of a GGUF file before its tensors' data, version 3, as they are put together.
final class GgufHeader {
    static final int ALIGNMENT = 32;

    private static final int MAGIC = 0x46554747; // "GGUF" read little-endian
    private static final int VERSION = 3;
    private static final int UINT32 = 4;

    private final ByteArrayOutputStream keys = new ByteArrayOutputStream();
    private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
    private long keyCount;
    private long tensorCount;

    /// Adds a key with the type and the bytes that it has in another file.
    void copy(String key, int type, MemorySegment value) {
        text(keys, key);
        integer(keys, type);
        keys.writeBytes(value.toArray(ValueLayout.JAVA_BYTE));
        keyCount++;
    }

    void put(String key, int value) {
        text(keys, key);
        integer(keys, UINT32);
        integer(keys, value);
        keyCount++;
    }

    void put(String key, String value) {
        text(keys, key);
        integer(keys, GgufPlace.TEXT);
        text(keys, value);
        keyCount++;
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
        whole(all, keyCount);
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

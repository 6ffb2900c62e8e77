// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// A builder of GGUF files for tests, also of damaged ones: its input is not checked.
public final class GgufBytes {
    private final int version;
    private final ByteArrayOutputStream metadata = new ByteArrayOutputStream();
    private final ByteArrayOutputStream infos = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private int alignment = 32;
    private long keyCount;
    private long tensorCount;

    public GgufBytes(int version) {
        this.version = version;
    }

    /// Creates a little-endian llama header: one layer, width 64, 4 heads of 16, 2 KV heads.
    public static GgufBytes llama() {
        return new GgufBytes(3)
                .text("general.architecture", "llama")
                .number("llama.block_count", 1)
                .number("llama.embedding_length", 64)
                .number("llama.context_length", 128)
                .number("llama.feed_forward_length", 96)
                .number("llama.attention.head_count", 4)
                .number("llama.attention.head_count_kv", 2)
                .real("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .real("llama.rope.freq_base", 10_000);
    }

    /// Adds the tensors of [#llama], tied output.
    public GgufBytes llamaTensors() {
        return tensor("token_embd.weight", 0, 64, 256)
                .tensor("blk.0.attn_norm.weight", 0, 64)
                .tensor("blk.0.attn_q.weight", 8, 64, 64)
                .tensor("blk.0.attn_k.weight", 2, 64, 32)
                .tensor("blk.0.attn_v.weight", 3, 64, 32)
                .tensor("blk.0.attn_output.weight", 1, 64, 64)
                .tensor("blk.0.ffn_norm.weight", 0, 64)
                .tensor("blk.0.ffn_gate.weight", 30, 64, 96)
                .tensor("blk.0.ffn_up.weight", 6, 64, 96)
                .tensor("blk.0.ffn_down.weight", 7, 96, 64)
                .tensor("output_norm.weight", 0, 64);
    }

    GgufBytes alignment(int value) {
        alignment = value;
        return number("general.alignment", value);
    }

    public GgufBytes text(String key, String value) {
        return value(key, 8, bytes(value));
    }

    public GgufBytes number(String key, int value) {
        return value(key, 4, ints(value));
    }

    public GgufBytes real(String key, float value) {
        return value(key, 6, ints(Float.floatToRawIntBits(value)));
    }

    GgufBytes flag(String key, boolean value) {
        return value(key, 7, new byte[] {(byte) (value ? 1 : 0)});
    }

    public GgufBytes texts(String key, List<String> values) {
        var list = new ByteArrayOutputStream();
        list.writeBytes(ints(8));
        list.writeBytes(longs(values.size()));
        values.forEach(value -> list.writeBytes(bytes(value)));
        return value(key, 9, list.toByteArray());
    }

    /// Adds a list of 32-bit floats.
    public GgufBytes reals(String key, List<Float> values) {
        var list = new ByteArrayOutputStream();
        list.writeBytes(ints(6));
        list.writeBytes(longs(values.size()));
        values.forEach(value -> list.writeBytes(ints(Float.floatToRawIntBits(value))));
        return value(key, 9, list.toByteArray());
    }

    /// Adds a list of 32-bit numbers.
    public GgufBytes numbers(String key, List<Integer> values) {
        var list = new ByteArrayOutputStream();
        list.writeBytes(ints(4));
        list.writeBytes(longs(values.size()));
        values.forEach(value -> list.writeBytes(ints(value)));
        return value(key, 9, list.toByteArray());
    }

    /// Adds any value, already encoded.
    public GgufBytes value(String key, int type, byte[] encoded) {
        metadata.writeBytes(bytes(key));
        metadata.writeBytes(ints(type));
        metadata.writeBytes(encoded);
        keyCount++;
        return this;
    }

    /// Adds a tensor of known type after the others, filled with its own number.
    GgufBytes tensor(String name, int type, long... dimensions) {
        long values = 1;
        for (long dimension : dimensions) {
            values *= dimension;
        }
        GgufTensorType known = GgufTensorType.of(type).orElseThrow();
        info(name, type, data.size(), dimensions);
        long bytes = values / known.blockSize() * known.blockBytes();
        for (long i = 0; i < bytes; i++) {
            data.write((int) tensorCount);
        }
        while (data.size() % alignment != 0) {
            data.write(0);
        }
        return this;
    }

    /// Adds a tensor's info without any data.
    GgufBytes info(String name, int type, long offset, long... dimensions) {
        infos.writeBytes(bytes(name));
        infos.writeBytes(ints(dimensions.length));
        infos.writeBytes(longs(dimensions));
        infos.writeBytes(ints(type));
        infos.writeBytes(longs(offset));
        tensorCount++;
        return this;
    }

    public byte[] build() {
        return build(tensorCount, keyCount);
    }

    byte[] build(long tensors, long keys) {
        var file = new ByteArrayOutputStream();
        file.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        file.writeBytes(ints(version));
        file.writeBytes(longs(tensors, keys));
        file.writeBytes(metadata.toByteArray());
        file.writeBytes(infos.toByteArray());
        while (data.size() > 0 && file.size() % alignment != 0) {
            file.write(0);
        }
        file.writeBytes(data.toByteArray());
        return file.toByteArray();
    }

    static byte[] bytes(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        byte[] encoded = new byte[8 + utf8.length];
        littleEndian(encoded).putLong(utf8.length).put(utf8);
        return encoded;
    }

    static byte[] ints(int... values) {
        byte[] encoded = new byte[4 * values.length];
        littleEndian(encoded).asIntBuffer().put(values);
        return encoded;
    }

    static byte[] longs(long... values) {
        byte[] encoded = new byte[8 * values.length];
        littleEndian(encoded).asLongBuffer().put(values);
        return encoded;
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}

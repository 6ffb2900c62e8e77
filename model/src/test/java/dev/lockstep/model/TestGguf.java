// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/// A llama with random weights of chosen types, written as GGUF files: 256 wide, 2 layers, 8 heads,
/// 4 KV heads, 256 FFN columns, 96 ids.
record TestGguf(List<Stored> tensors) {
    private static final int HIDDEN = 256;
    private static final int LAYERS = 2;
    private static final int VOCABULARY = 96;
    private static final long ALIGNMENT = 32;

    record Stored(String name, TensorType type, int rows, int columns, byte[] data) {}

    /// Creates a model whose matrices have the given types in turn.
    static TestGguf random(List<TensorType> types, long seed) {
        var random = new Random(seed);
        var matrices = new ArrayList<String[]>();
        matrices.add(new String[] {"token_embd", "" + VOCABULARY});
        for (int layer = 0; layer < LAYERS; layer++) {
            for (String[] matrix :
                    new String[][] {
                        {"attn_q", "256"}, {"attn_k", "128"}, {"attn_v", "128"},
                        {"attn_output", "256"}, {"ffn_gate", "256"}, {"ffn_up", "256"},
                        {"ffn_down", "256"}
                    }) {
                matrices.add(new String[] {"blk." + layer + "." + matrix[0], matrix[1]});
            }
        }
        matrices.add(new String[] {"output", "" + VOCABULARY});
        var tensors = new ArrayList<Stored>();
        for (int i = 0; i < matrices.size(); i++) {
            tensors.add(
                    matrix(
                            matrices.get(i)[0] + ".weight",
                            types.get(i % types.size()),
                            Integer.parseInt(matrices.get(i)[1]),
                            random));
        }
        for (int layer = 0; layer < LAYERS; layer++) {
            tensors.add(ones("blk." + layer + ".attn_norm.weight"));
            tensors.add(ones("blk." + layer + ".ffn_norm.weight"));
        }
        tensors.add(ones("output_norm.weight"));
        return new TestGguf(tensors);
    }

    /// Returns the same model with every weight dequantized.
    TestGguf dequantized(Kernels kernels) {
        return new TestGguf(tensors.stream().map(tensor -> dequantized(tensor, kernels)).toList());
    }

    Path write(Path file) throws IOException {
        return Files.write(file, bytes(tensors, 0, 1));
    }

    /// Writes the model as three files and returns the first, which holds no tensor, as some tools
    /// write it.
    Path writeSplit(Path folder) throws IOException {
        int half = tensors.size() / 2;
        List<List<Stored>> files =
                List.of(
                        List.<Stored>of(),
                        tensors.subList(0, half),
                        tensors.subList(half, tensors.size()));
        for (int i = 0; i < files.size(); i++) {
            Files.write(
                    folder.resolve("m-%05d-of-00003.gguf".formatted(i + 1)),
                    bytes(files.get(i), i, 3));
        }
        return folder.resolve("m-00001-of-00003.gguf");
    }

    private static Stored matrix(String name, TensorType type, int rows, Random random) {
        byte[] data = new byte[(int) (rows * type.rowBytes(HIDDEN))];
        random.nextBytes(data);
        ByteBuffer buffer = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < data.length; at += type.blockBytes()) {
            setScales(type, buffer, at, random);
        }
        return new Stored(name, type, rows, HIDDEN, data);
    }

    /// Sets scales so that weights have a standard deviation of about 0.06 to 0.1, which keeps the
    /// activations of all layers at one magnitude.
    private static void setScales(TensorType type, ByteBuffer data, int at, Random random) {
        double one = 0.8 + 0.4 * random.nextDouble();
        switch (type) {
            case F32 -> data.putFloat(at, (float) (0.08 * random.nextGaussian()));
            case F16 -> half(data, at, 0.08 * random.nextGaussian());
            case BF16 ->
                    data.putShort(
                            at,
                            (short)
                                    (Float.floatToIntBits((float) (0.08 * random.nextGaussian()))
                                            >>> 16));
            case Q4_0 -> half(data, at, one / 64);
            case Q4_1 -> {
                half(data, at, one / 64);
                half(data, at + 2, -one / 8);
            }
            case Q5_0 -> half(data, at, one / 128);
            case Q5_1 -> {
                half(data, at, one / 128);
                half(data, at + 2, -one / 8);
            }
            case Q8_0, IQ4_NL -> half(data, at, one / 1024);
            case IQ4_XS -> half(data, at, one / 16384);
            case IQ1_S -> half(data, at, one / 128);
            case IQ1_M -> {
                int d = Float.floatToFloat16((float) (one / 128));
                for (int i = 0; i < 4; i++) {
                    int word = data.getShort(at + 48 + 2 * i) & 0x0FFF;
                    data.putShort(at + 48 + 2 * i, (short) (word | ((d >> (4 * i)) & 15) << 12));
                }
            }
            case IQ2_XXS, IQ2_XS, IQ2_S -> half(data, at, one / 512);
            case IQ3_XXS -> half(data, at, one / 1536);
            case IQ3_S -> half(data, at, one / 1536);
            case TQ1_0 -> half(data, at + 52, one / 12);
            case TQ2_0 -> half(data, at + 64, one / 16);
            case MXFP4 -> data.put(at, (byte) 122);
            case Q2_K -> {
                half(data, at + 80, one / 128);
                half(data, at + 82, one / 128);
            }
            case Q3_K -> half(data, at + 108, one / 512);
            case Q4_K -> {
                half(data, at, one / 2048);
                half(data, at + 2, one / 512);
            }
            case Q5_K -> {
                half(data, at, one / 4096);
                half(data, at + 2, one / 512);
            }
            case Q6_K -> half(data, at + 208, one / 16384);
            case E4M3,
                    NVFP4,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32,
                    NF4,
                    FP4 ->
                    throw new IllegalArgumentException(type + " is in no file");
        }
    }

    private static void half(ByteBuffer data, int at, double value) {
        data.putShort(at, Float.floatToFloat16((float) value));
    }

    private static Stored ones(String name) {
        ByteBuffer data = ByteBuffer.allocate(4 * HIDDEN).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < HIDDEN; i++) {
            data.putFloat(1);
        }
        return new Stored(name, TensorType.F32, 1, HIDDEN, data.array());
    }

    private static Stored dequantized(Stored tensor, Kernels kernels) {
        int[] all = IntStream.range(0, tensor.rows()).toArray();
        try (Arena arena = Arena.ofConfined();
                DeviceBuffer buffer =
                        kernels.allocate(4L * tensor.rows() * (tensor.columns() + 1))) {
            Tensor out = buffer.tensor(0, DType.F32, tensor.rows(), tensor.columns());
            Tensor ids = buffer.tensor(out.bytes(), DType.I32, 1, tensor.rows());
            kernels.copyToDevice(arena.allocateFrom(ValueLayout.JAVA_INT, all), ids);
            var rows =
                    new WeightRows(
                            tensor.name(),
                            MemorySegment.ofArray(tensor.data()),
                            tensor.type(),
                            tensor.columns(),
                            all,
                            0,
                            tensor.columns());
            kernels.embed(kernels.prepareEmbedding(rows), ids, out);
            MemorySegment host = arena.allocate(out.bytes(), 64);
            kernels.copyToHost(out, host);
            return new Stored(
                    tensor.name(),
                    TensorType.F32,
                    tensor.rows(),
                    tensor.columns(),
                    host.toArray(ValueLayout.JAVA_BYTE));
        }
    }

    private byte[] bytes(List<Stored> stored, int index, int count) {
        var out = new Out();
        out.ints(0x46554747, 3);
        out.longs(stored.size(), index == 0 ? 12 : 3);
        out.number("split.no", index).number("split.count", count);
        out.number("split.tensors.count", tensors.size());
        if (index == 0) {
            out.text("general.architecture", "llama");
            out.number("llama.block_count", LAYERS).number("llama.embedding_length", HIDDEN);
            out.number("llama.context_length", 128).number("llama.feed_forward_length", 256);
            out.number("llama.attention.head_count", 8).number("llama.attention.head_count_kv", 4);
            out.real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
            out.real("llama.rope.freq_base", 10_000);
        }
        long offset = 0;
        for (Stored tensor : stored) {
            boolean vector = tensor.rows() == 1;
            out.name(tensor.name()).ints(vector ? 1 : 2);
            out.longs(tensor.columns());
            if (!vector) {
                out.longs(tensor.rows());
            }
            out.ints(number(tensor.type()));
            out.longs(offset);
            offset += Math.ceilDiv(tensor.data().length, ALIGNMENT) * ALIGNMENT;
        }
        out.align();
        for (Stored tensor : stored) {
            out.bytes.writeBytes(tensor.data());
            out.align();
        }
        return out.bytes.toByteArray();
    }

    /// Returns the number of a type in GGUF.
    private static int number(TensorType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q4_1 -> 3;
            case Q5_0 -> 6;
            case Q5_1 -> 7;
            case Q8_0 -> 8;
            case Q2_K -> 10;
            case Q3_K -> 11;
            case Q4_K -> 12;
            case Q5_K -> 13;
            case Q6_K -> 14;
            case IQ2_XXS -> 16;
            case IQ2_XS -> 17;
            case IQ3_XXS -> 18;
            case IQ1_S -> 19;
            case IQ4_NL -> 20;
            case IQ3_S -> 21;
            case IQ2_S -> 22;
            case IQ4_XS -> 23;
            case IQ1_M -> 29;
            case TQ1_0 -> 34;
            case TQ2_0 -> 35;
            case MXFP4 -> 39;
            case E4M3,
                    NVFP4,
                    Q4_OFFSET,
                    Q4_ZERO,
                    Q8_OFFSET,
                    Q4_ZERO_32,
                    Q4_ZERO_128,
                    Q8_ZERO,
                    Q8_ZERO_32,
                    NF4,
                    FP4 ->
                    throw new IllegalArgumentException(type + " is in no file");
            case BF16 -> 30;
        };
    }

    /// Little-endian.
    private static final class Out {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Out ints(int... values) {
            for (int value : values) {
                bytes.writeBytes(
                        ByteBuffer.allocate(4)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .putInt(value)
                                .array());
            }
            return this;
        }

        Out longs(long... values) {
            for (long value : values) {
                ints((int) value, (int) (value >>> 32));
            }
            return this;
        }

        Out name(String text) {
            byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
            longs(encoded.length);
            bytes.writeBytes(encoded);
            return this;
        }

        Out number(String key, int value) {
            return name(key).ints(4, value);
        }

        Out real(String key, float value) {
            return name(key).ints(6, Float.floatToRawIntBits(value));
        }

        Out text(String key, String value) {
            return name(key).ints(8).name(value);
        }

        void align() {
            while (bytes.size() % ALIGNMENT != 0) {
                bytes.write(0);
            }
        }
    }
}

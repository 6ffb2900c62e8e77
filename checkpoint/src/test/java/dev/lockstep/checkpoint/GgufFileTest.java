// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GgufFileTest {
    private static final Path PATH = Path.of("some/model.gguf");

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void everyTypeOfMetadataIsRead(int version) {
        GgufMetadata metadata =
                read(new GgufBytes(version)
                                .value("u8", 0, new byte[] {(byte) 200})
                                .value("i8", 1, new byte[] {-3})
                                .value("u16", 2, new byte[] {(byte) 0xFF, (byte) 0xFF})
                                .value("i16", 3, new byte[] {(byte) 0xFF, (byte) 0xFF})
                                .value("u32", 4, GgufBytes.ints(-1))
                                .value("i32", 5, GgufBytes.ints(-1))
                                .real("f32", 0.1f)
                                .value("bool", 7, new byte[] {1})
                                .text("text", "häuser")
                                .texts("texts", List.of("a", "", "Ġb"))
                                .value("u64", 10, GgufBytes.longs(1L << 40))
                                .value("i64", 11, GgufBytes.longs(-5))
                                .value("f64", 12, GgufBytes.longs(Double.doubleToLongBits(0.1)))
                                .value(
                                        "floats",
                                        9,
                                        array(
                                                6,
                                                2,
                                                GgufBytes.ints(
                                                        Float.floatToRawIntBits(1.5f),
                                                        Float.floatToRawIntBits(-2f))))
                                .value("bytes", 9, array(0, 3, new byte[] {1, 2, (byte) 255}))
                                .value("nested", 9, array(9, 1, array(4, 1, GgufBytes.ints(7))))
                                .build())
                        .metadata();
        assertEquals(OptionalLong.of(200), metadata.integer("u8"));
        assertEquals(OptionalLong.of(-3), metadata.integer("i8"));
        assertEquals(OptionalLong.of(65_535), metadata.integer("u16"));
        assertEquals(OptionalLong.of(-1), metadata.integer("i16"));
        assertEquals(OptionalLong.of(4_294_967_295L), metadata.integer("u32"));
        assertEquals(OptionalLong.of(-1), metadata.integer("i32"));
        assertEquals(OptionalDouble.of(0.1), metadata.number("f32"));
        assertEquals(Optional.of(true), metadata.flag("bool"));
        assertEquals(Optional.of("häuser"), metadata.text("text"));
        assertEquals(Optional.of(List.of("a", "", "Ġb")), metadata.texts("texts"));
        assertEquals(3, metadata.count("texts"));
        assertEquals(OptionalLong.of(1L << 40), metadata.integer("u64"));
        assertEquals(OptionalLong.of(-5), metadata.integer("i64"));
        assertEquals(OptionalDouble.of(0.1), metadata.number("f64"));
        assertArrayEquals(new float[] {1.5f, -2f}, metadata.floats("floats").orElseThrow());
        assertArrayEquals(new int[] {1, 2, 255}, metadata.integers("bytes").orElseThrow());
        assertTrue(metadata.has("nested"));
        assertFalse(metadata.has("absent"));
        assertEquals(Optional.empty(), metadata.text("absent"));
        Refused.naming(() -> metadata.text("u8"), PATH.toString(), "u8", "expected a string");
        Refused.naming(() -> metadata.integer("text"), "text", "expected a whole number");
        Refused.naming(() -> metadata.floats("texts"), "texts", "a list of 32-bit floats");
        Refused.naming(() -> metadata.size("u32"), "u32", "4294967295");
    }

    @Test
    void aWholeModelIsReadWithHuggingFaceNamesAndTiedOutput() {
        GgufCheckpoint model = model(GgufBytes.llama().llamaTensors().build());
        ModelConfig config = model.config();
        assertTrue(config.tiedEmbeddings());
        assertEquals(256, config.vocabularySize());
        assertEquals(16, config.attention().headDim());
        assertEquals(OptionalInt.empty(), config.specialIds().bos());
        assertEquals(TensorType.F32, config.weightType());
        assertEquals(
                List.of(
                        "model.embed_tokens.weight",
                        "model.layers.0.input_layernorm.weight",
                        "model.layers.0.self_attn.q_proj.weight",
                        "model.layers.0.self_attn.k_proj.weight",
                        "model.layers.0.self_attn.v_proj.weight",
                        "model.layers.0.self_attn.o_proj.weight",
                        "model.layers.0.post_attention_layernorm.weight",
                        "model.layers.0.mlp.gate_proj.weight",
                        "model.layers.0.mlp.up_proj.weight",
                        "model.layers.0.mlp.down_proj.weight",
                        "model.norm.weight"),
                List.copyOf(model.tensorNames()));
        assertEquals(
                TensorType.Q4_0, model.tensor("model.layers.0.self_attn.k_proj.weight").type());
        assertEquals(
                "blk.0.ffn_down.weight",
                model.tensorInfo("model.layers.0.mlp.down_proj.weight").orElseThrow().storedName());
        assertEquals(
                List.of(64L, 96L),
                model.tensorInfo("model.layers.0.mlp.down_proj.weight").orElseThrow().shape());
        Refused.naming(() -> model.tensor("lm_head.weight"), PATH.toString(), "lm_head.weight");
    }

    @Test
    void aNonDefaultAlignmentIsApplied() {
        GgufFile file = read(GgufBytes.llama().alignment(256).llamaTensors().build());
        assertEquals(0, file.dataStart() % 256);
        // GgufBytes fills a tensor with its number, counted from 1.
        assertEquals(
                2,
                named(file.tensors(), "blk.0.attn_norm.weight")
                        .data()
                        .get(ValueLayout.JAVA_BYTE, 0));
        Refused.naming(
                () -> read(GgufBytes.llama().alignment(24).info("a", 0, 0, 1).build()),
                "general.alignment",
                "24");
    }

    @Test
    void ropeFactorsInATensorAreDivisors() {
        byte[] bytes = GgufBytes.llama().llamaTensors().tensor("rope_freqs.weight", 0, 8).build();
        RopeScaling scaling = model(bytes).config().rope().scaling();
        assertTrue(scaling instanceof RopeScaling.Divisors read && read.factors().size() == 8);
    }

    @Test
    void aFactorWithoutATypeIsLinear() {
        assertEquals(
                new RopeScaling.Linear(4),
                scaling(GgufBytes.llama().real("llama.rope.scaling.factor", 4)));
        assertEquals(
                new RopeScaling.Linear(4),
                scaling(GgufBytes.llama().real("llama.rope.scale_linear", 4)));
        assertEquals(
                new RopeScaling.Linear(2),
                scaling(
                        GgufBytes.llama()
                                .real("llama.rope.scale_linear", 4)
                                .real("llama.rope.scaling.factor", 2)));
        assertEquals(
                new RopeScaling.None(),
                scaling(GgufBytes.llama().real("llama.rope.scaling.factor", 0)));
        assertEquals(
                new RopeScaling.None(),
                scaling(
                        GgufBytes.llama()
                                .text("llama.rope.scaling.type", "none")
                                .real("llama.rope.scaling.factor", 4)));
        assertEquals(
                new RopeScaling.None(),
                scaling(GgufBytes.llama().text("llama.rope.scaling.type", "linear")));
        ModelConfig linear =
                model(GgufBytes.llama().real("llama.rope.scaling.factor", 4).llamaTensors().build())
                        .config();
        assertEquals(128, linear.contextLength());
        assertEquals(512, linear.maxContextLength());
    }

    @Test
    void divisorsComeOnTopOfALinearScaling() {
        RopeScaling scaling =
                model(
                                GgufBytes.llama()
                                        .text("llama.rope.scaling.type", "linear")
                                        .real("llama.rope.scaling.factor", 4)
                                        .llamaTensors()
                                        .tensor("rope_freqs.weight", 0, 8)
                                        .build())
                        .config()
                        .rope()
                        .scaling();
        assertTrue(
                scaling instanceof RopeScaling.Divisors read
                        && read.scaled().equals(new RopeScaling.Linear(4)));
    }

    @Test
    void aKeyThatMayChangeTheArithmeticAndIsNotReadIsNamed() {
        for (String key :
                List.of(
                        "rope.scaling.yarn_attn_factor",
                        "rope.scaling.yarn_ext_factor",
                        "attention.temperature_scale",
                        "expert_shared_count")) {
            Refused.naming(
                    () -> scaling(GgufBytes.llama().real("llama." + key, 0.5f)),
                    PATH.toString(),
                    "llama." + key + " is present");
        }
        scaling(GgufBytes.llama().number("llama.attention.clamp_kqv", 0));
    }

    private static RopeScaling scaling(GgufBytes header) {
        return model(header.llamaTensors().build()).config().rope().scaling();
    }

    @Test
    void aTypeWithoutKernelsIsNamedWithItsTensor() {
        byte[] known =
                GgufBytes.llama().llamaTensors().tensor("output.weight", 15, 256, 256).build();
        GgufCheckpoint model = model(known);
        Refused.naming(
                model::requireSupportedTypes, PATH.toString(), "output.weight", "Q8_K", "Q4_K");
        Refused.naming(() -> model.tensor("lm_head.weight"), "output.weight", "Q8_K");
        byte[] unknown = GgufBytes.llama().info("odd.weight", 77, 0, 32).build();
        Refused.naming(() -> read(unknown), PATH.toString(), "odd.weight", "77", "Q4_K");
    }

    @Test
    void aFileCutAtAnyOfTwentyPlacesIsRefused() {
        byte[] whole =
                GgufBytes.llama()
                        .texts("tokenizer.ggml.tokens", List.of("a", "b"))
                        .llamaTensors()
                        .build();
        for (int cut = 0; cut < 20; cut++) {
            byte[] part = Arrays.copyOf(whole, whole.length * cut / 20);
            Refused.naming(() -> model(part), PATH.toString(), "byte", "download it again");
        }
    }

    @Test
    void everyCutInsideTheHeaderIsRefused() {
        byte[] whole = GgufBytes.llama().llamaTensors().build();
        int header = (int) read(whole).dataStart();
        for (int cut = 0; cut < header; cut++) {
            byte[] part = Arrays.copyOf(whole, cut);
            Refused.naming(() -> model(part), PATH.toString(), "download it again");
        }
    }

    @Test
    void countsAndLengthsBeyondTheFileAreRefused() {
        Refused.naming(() -> read(GgufBytes.llama().build(Long.MAX_VALUE, 9)), "tensors");
        Refused.naming(() -> read(GgufBytes.llama().build(-1, 9)), "18446744073709551615 tensors");
        Refused.naming(() -> read(GgufBytes.llama().build(0, Long.MAX_VALUE)), "keys");
        Refused.naming(
                () -> read(GgufBytes.llama().build(Long.MIN_VALUE, 9)),
                "9223372036854775808 tensors");
        Refused.naming(
                () -> read(GgufBytes.llama().build(0, Long.MIN_VALUE)), "9223372036854775808 keys");
        Refused.naming(
                () ->
                        read(
                                new GgufBytes(3)
                                        .value("a", 9, array(4, Long.MIN_VALUE, new byte[0]))
                                        .build()),
                "metadata key a",
                "9223372036854775808");
        Refused.naming(
                () -> read(new GgufBytes(3).value("a", 8, GgufBytes.longs(1L << 60)).build()),
                "metadata key a",
                "truncated or damaged");
        Refused.naming(
                () -> read(new GgufBytes(3).value("a", 9, array(8, 1L << 40, new byte[0])).build()),
                "metadata key a");
        Refused.naming(
                () -> read(new GgufBytes(3).value("a", 9, array(9, -1, new byte[0])).build()),
                "metadata key a");
    }

    @Test
    void damageInTheHeaderIsNamed() {
        Refused.naming(
                () -> read("GGUX, and more".getBytes(StandardCharsets.UTF_8)), "not a GGUF file");
        Refused.naming(() -> read(new GgufBytes(1).build()), "version 1");
        Refused.naming(() -> read(new GgufBytes(0x03000000).build()), "big-endian");
        Refused.naming(
                () -> read(new GgufBytes(3).number("a", 1).number("a", 2).build()),
                "a occurs twice");
        Refused.naming(
                () -> read(new GgufBytes(3).value("a", 13, new byte[8]).build()),
                "unknown type 13");
        byte[] deep = array(4, 0, new byte[0]);
        for (int i = 0; i < 6; i++) {
            deep = array(9, 1, deep);
        }
        byte[] nested = new GgufBytes(3).value("a", 9, deep).build();
        Refused.naming(() -> read(nested), "nests");
        Refused.naming(
                () ->
                        read(
                                GgufBytes.llama()
                                        .info("a-tensor-without-dimensions", 0, 0)
                                        .info("u", 0, 0, 1)
                                        .build()),
                "a-tensor-without-dimensions",
                "0 dimensions");
        Refused.naming(
                () -> read(GgufBytes.llama().info("t", 0, 0, 1, 1, 1, 1, 1).build()),
                "5 dimensions");
        Refused.naming(
                () -> read(GgufBytes.llama().info("t", 0, 0, 1L << 31, 1L << 31).build()),
                "tensor t");
        Refused.naming(() -> read(GgufBytes.llama().info("t", 0, 0, 0).build()), "is empty");
        Refused.naming(
                () -> read(GgufBytes.llama().info("t", 8, 0, 33, 4).build()), "blocks of 32");
        Refused.naming(
                () -> read(GgufBytes.llama().tensor("t", 0, 64).info("u", 0, 4, 1).build()),
                "alignment 32");
        Refused.naming(
                () -> read(GgufBytes.llama().tensor("t", 0, 64).info("u", 0, 32, 1).build()),
                "tensor u: overlaps tensor t");
        Refused.naming(
                () -> read(GgufBytes.llama().tensor("t", 0, 64).tensor("t", 0, 64).build()),
                "tensor t: occurs twice");
        Refused.naming(
                () -> read(GgufBytes.llama().tensor("t", 0, 64).info("u", 0, -32, 1).build()),
                "tensor u");
        Refused.naming(
                () -> read(GgufBytes.llama().info("u", 0, Long.MAX_VALUE - 31, 1).build()),
                "tensor u");
    }

    @Test
    void missingAndInvalidHyperparametersAreNamed() {
        Refused.naming(
                () -> model(new GgufBytes(3).llamaTensors().build()), "general.architecture");
        Refused.naming(
                () ->
                        model(
                                new GgufBytes(3)
                                        .text("general.architecture", "llama")
                                        .llamaTensors()
                                        .build()),
                PATH.toString(),
                "llama.block_count is missing");
        Refused.naming(
                () ->
                        model(
                                GgufBytes.llama()
                                        .number("llama.rope.dimension_count", 17)
                                        .llamaTensors()
                                        .build()),
                "rotary size 17");
        Refused.naming(
                () ->
                        model(
                                GgufBytes.llama()
                                        .number("llama.attention.key_length", 0)
                                        .llamaTensors()
                                        .build()),
                "0");
        Refused.naming(
                () ->
                        model(
                                GgufBytes.llama()
                                        .text("llama.rope.scaling.type", "odd")
                                        .llamaTensors()
                                        .build()),
                "llama.rope.scaling.type",
                "odd");
    }

    @Test
    void randomDamageIsEitherRefusedOrRead() {
        byte[] whole =
                GgufBytes.llama()
                        .texts("tokenizer.ggml.tokens", List.of("a", "b"))
                        .llamaTensors()
                        .build();
        int header = (int) read(whole).dataStart();
        var random = new Random(5);
        for (int round = 0; round < 3_000; round++) {
            byte[] damaged = whole.clone();
            for (int i = 0; i <= random.nextInt(3); i++) {
                damaged[random.nextInt(header)] = (byte) random.nextInt();
            }
            try {
                GgufCheckpoint model = model(damaged);
                model.tensorNames().forEach(model::findTensor);
                model.tokenizer().digest();
            } catch (CheckpointException expected) {
                // The only exception a damaged file may cause.
            }
        }
    }

    private static GgufFile read(byte[] bytes) {
        return GgufFile.read(new MappedFile(PATH, MemorySegment.ofArray(bytes)));
    }

    private static GgufCheckpoint model(byte[] bytes) {
        GgufCheckpoint model = GgufCheckpoint.of(read(bytes));
        model.config();
        return model;
    }

    private static byte[] array(int elementType, long count, byte[] elements) {
        byte[] head = GgufBytes.ints(elementType);
        byte[] length = GgufBytes.longs(count);
        byte[] array = Arrays.copyOf(head, 12 + elements.length);
        System.arraycopy(length, 0, array, 4, 8);
        System.arraycopy(elements, 0, array, 12, elements.length);
        return array;
    }

    private static StoredTensor named(Map<String, StoredTensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }
}

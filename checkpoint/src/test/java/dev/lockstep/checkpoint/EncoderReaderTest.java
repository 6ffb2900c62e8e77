// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EncoderReaderTest {
    private static final Path PATH = Path.of("config.json");
    private static final String SIZES =
            "\"hidden_size\": 64, \"num_hidden_layers\": 4, \"num_attention_heads\": 4,"
                    + " \"intermediate_size\": 96, \"vocab_size\": 96,"
                    + " \"max_position_embeddings\": 514, \"layer_norm_eps\": 1e-12";

    private static ModelConfig read(String type, String more) {
        String text =
                "{\"architectures\": [\"Any\"], \"model_type\": \"%s\", %s%s}"
                        .formatted(type, SIZES, more.isEmpty() ? "" : ", " + more);
        return HuggingFaceConfig.read(
                TextConfig.of(JsonObject.parse(PATH, text.getBytes(StandardCharsets.UTF_8))),
                Optional.empty(),
                Set.of(),
                TensorType.F32);
    }

    @ParameterizedTest
    @CsvSource({
        "bert, '', 2, 0, 514",
        "bert, '\"type_vocab_size\": 1', 1, 0, 514",
        "roberta, '\"type_vocab_size\": 1', 1, 2, 512",
        "xlm-roberta, '\"pad_token_id\": 3', 2, 4, 510",
        "modernbert, '\"local_attention\": 128', 0, 0, 514",
        "nomic_bert, '', 2, 0, 514",
        "new, '', 1, 0, 514",
        "gte, '\"type_vocab_size\": 0', 0, 0, 514"
    })
    void positionsAndTokenTypesAreThoseOfTheModelType(
            String type, String more, int tokenTypes, int firstPosition, int context) {
        ModelConfig config = read(type, more);
        assertEquals(
                Optional.of(new EncoderConfig(tokenTypes, firstPosition)),
                config.details().encoder());
        assertEquals(context, config.contextLength());
        assertFalse(config.tiedEmbeddings());
    }

    @Test
    void ropeOfGteIsScaledWithItsBase() {
        ModelConfig config =
                read(
                        "new",
                        "\"rope_theta\": 20000, \"rope_scaling\": {\"type\": \"ntk\", \"factor\": 8}");
        assertEquals(160_000, config.rope().theta());
        assertEquals(
                new RopeScaling.Divisors(
                        Collections.nCopies(8, Math.pow(8, 2.0 / 16)), new RopeScaling.None()),
                config.rope().scaling());
        assertEquals(config.contextLength(), config.maxContextLength());
        for (String[] refused :
                new String[][] {
                    {
                        "\"rope_scaling\": {\"type\": \"ntk\", \"factor\": 8, \"mixed_b\": 0.5}",
                        "mixed_b"
                    },
                    {"\"logn_attention_scale\": true", "logn_attention_scale is true"},
                    {"\"layer_norm_type\": \"rms_norm\"", "layer_norm_type is rms_norm"},
                    {
                        "\"position_embedding_type\": \"absolute\"",
                        "position_embedding_type is absolute"
                    }
                }) {
            Refused.naming(() -> read("new", refused[0]), refused[1]);
        }
        Refused.naming(
                () -> read("bert", "\"rope_scaling\": {\"type\": \"ntk\", \"factor\": 8}"),
                "type is ntk");
    }

    @Test
    void aDecoderIsNoEncoder() {
        assertEquals(Optional.empty(), read("llama", "\"rms_norm_eps\": 1e-6").details().encoder());
    }

    @Test
    void modernBertHasWindowsOfTwoSidesAndTwoRopes() {
        for (String ropes :
                List.of(
                        "\"global_rope_theta\": 160000.0, \"local_rope_theta\": 20000.0",
                        "\"local_rope_theta\": 20000.0",
                        "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 160000.0},"
                                + " \"sliding_attention\": {\"rope_theta\": 20000.0}}")) {
            ModelConfig config = read("modernbert", "\"local_attention\": 128, " + ropes);
            assertEquals(
                    List.of(
                            KvGroup.full(List.of(0, 3)),
                            // 64 before a token, and itself.
                            KvGroup.window(List.of(1, 2), 65)),
                    config.kvGroups());
            assertEquals(160_000, config.rope().theta());
            assertEquals(20_000, config.windowRope().theta());
            assertEquals("gelu", config.details().activation());
        }
    }

    @Test
    void nomicBertNamesItsFeedForward() {
        ModelConfig config =
                read("nomic_bert", "\"activation_function\": \"swiglu\", \"rotary_emb_base\": 500");
        assertEquals("silu", config.details().activation());
        assertEquals(500, config.rope().theta());
        assertEquals(1000, read("nomic_bert", "").rope().theta());
    }

    @ParameterizedTest
    @CsvSource({
        "bert, '\"is_decoder\": true', 'is_decoder is true, expected false'",
        "bert, '\"position_embedding_type\": \"relative_key\"', 'position_embedding_type is relative_key, expected absolute'",
        "roberta, '\"pad_token_id\": 513', 'max_position_embeddings is 514, expected more than the 514 of padding'",
        "modernbert, '\"local_attention\": 0', 'local_attention is 0, expected a positive number'",
        "modernbert, '', 'local_attention'",
        "modernbert, '\"global_attn_every_n_layers\": 0', 'global_attn_every_n_layers is 0'",
        "nomic_bert, '\"prenorm\": true', 'prenorm is true, expected false'",
        "nomic_bert, '\"rotary_scaling_factor\": 2.0', 'rotary_scaling_factor is 2.0, expected null'",
        "nomic_bert, '\"rotary_emb_fraction\": 0.5', 'rotary_emb_fraction is 0.5, expected 1'",
        "nomic_bert, '\"num_experts\": 8', 'num_experts is 8'",
        "gemma3_text, '\"use_bidirectional_attention\": true', 'use_bidirectional_attention is true, expected false'"
    })
    void whatIsNotComputedIsRefusedByName(String type, String more, String line) {
        Refused.naming(() -> read(type, more), PATH.toString(), line);
    }
}

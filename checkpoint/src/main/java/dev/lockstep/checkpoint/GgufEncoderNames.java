// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Map;
import java.util.Optional;

/// The Hugging Face names of the tensors of an encoder's GGUF file, without `.weight` and `.bias`.
///
/// @param layer what precedes the number of a layer
/// @param outside of tensors outside the layers
/// @param inside of those of a layer
record GgufEncoderNames(String layer, Map<String, String> outside, Map<String, String> inside) {
    private static final String WORDS = "embeddings.word_embeddings";
    private static final String TYPES = "embeddings.token_type_embeddings";

    private static final GgufEncoderNames BERT =
            new GgufEncoderNames(
                    "encoder.layer.",
                    Map.of(
                            "token_embd",
                            WORDS,
                            "token_types",
                            TYPES,
                            "position_embd",
                            "embeddings.position_embeddings",
                            "token_embd_norm",
                            "embeddings.LayerNorm"),
                    Map.of(
                            "attn_q", "attention.self.query",
                            "attn_k", "attention.self.key",
                            "attn_v", "attention.self.value",
                            "attn_output", "attention.output.dense",
                            "attn_output_norm", "attention.output.LayerNorm",
                            "ffn_up", "intermediate.dense",
                            "ffn_down", "output.dense",
                            "layer_output_norm", "output.LayerNorm"));

    private static final GgufEncoderNames NOMIC_BERT =
            new GgufEncoderNames(
                    "encoder.layers.",
                    Map.of("token_embd", WORDS, "token_types", TYPES, "token_embd_norm", "emb_ln"),
                    Map.of(
                            "attn_qkv", "attn.Wqkv",
                            "attn_output", "attn.out_proj",
                            "attn_output_norm", "norm1",
                            "ffn_up", "mlp.fc11",
                            "ffn_gate", "mlp.fc12",
                            "ffn_down", "mlp.fc2",
                            "layer_output_norm", "norm2"));

    private static final GgufEncoderNames MODERN_BERT =
            new GgufEncoderNames(
                    "layers.",
                    Map.of(
                            "token_embd", "embeddings.tok_embeddings",
                            "token_embd_norm", "embeddings.norm",
                            "output_norm", "final_norm"),
                    Map.of(
                            "attn_norm", "attn_norm",
                            "attn_qkv", "attn.Wqkv",
                            "attn_output", "attn.Wo",
                            "ffn_norm", "mlp_norm",
                            "ffn_up", "mlp.Wi",
                            "ffn_down", "mlp.Wo"));

    /// Returns the names of an architecture; empty if it has those of most decoders.
    static Optional<GgufEncoderNames> of(String architecture) {
        return switch (architecture) {
            case "bert" -> Optional.of(BERT);
            case "modern-bert" -> Optional.of(MODERN_BERT);
            case "nomic-bert" -> Optional.of(NOMIC_BERT);
            default -> Optional.empty();
        };
    }

    /// Returns the name that a tensor has in a GGUF file; empty if none stands for it.
    Optional<String> stored(String huggingFace) {
        int point = huggingFace.lastIndexOf('.');
        String name = huggingFace.substring(0, Math.max(0, point));
        String ending = huggingFace.substring(Math.max(0, point));
        if (!name.startsWith(layer)) {
            return key(outside, name).map(each -> each + ending);
        }
        String rest = name.substring(layer.length());
        int number = rest.indexOf('.');
        return number < 0
                ? Optional.empty()
                : key(inside, rest.substring(number + 1))
                        .map(
                                each ->
                                        "blk.%s.%s%s"
                                                .formatted(
                                                        rest.substring(0, number), each, ending));
    }

    private static Optional<String> key(Map<String, String> names, String value) {
        return names.entrySet().stream()
                .filter(each -> each.getValue().equals(value))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    /// Returns the name of a tensor of a layer; empty without a rule.
    Optional<String> inside(String number, String part) {
        return Optional.ofNullable(inside.get(part)).map(name -> layer + number + "." + name);
    }
}

package dev.lockstep.checkpoint;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Hugging Face's names for the tensors of a GGUF file, and which of them have permuted rows.
///
/// A name without a rule stays as it is.
record GgufNames(String architecture) {
    private static final Pattern IN_BLOCK =
            Pattern.compile("blk\\.(\\d{1,5})\\.([a-z0-9_]+)\\.(weight|bias)");
    private static final Pattern OUTSIDE = Pattern.compile("([a-z0-9_]+)\\.(weight|bias)");

    private static final Map<String, String> OUTSIDE_NAMES =
            Map.of(
                    "token_embd", "model.embed_tokens",
                    "output_norm", "model.norm",
                    "output", "lm_head");

    private static final Map<String, String> BLOCK_NAMES =
            Map.ofEntries(
                    Map.entry("attn_norm", "input_layernorm"),
                    Map.entry("attn_q", "self_attn.q_proj"),
                    Map.entry("attn_k", "self_attn.k_proj"),
                    Map.entry("attn_v", "self_attn.v_proj"),
                    Map.entry("attn_qkv", "self_attn.qkv_proj"),
                    Map.entry("attn_output", "self_attn.o_proj"),
                    Map.entry("attn_q_norm", "self_attn.q_norm"),
                    Map.entry("attn_k_norm", "self_attn.k_norm"),
                    Map.entry("post_attention_norm", "post_attention_layernorm"),
                    Map.entry("ffn_norm", "post_attention_layernorm"),
                    Map.entry("post_ffw_norm", "post_feedforward_layernorm"),
                    Map.entry("ffn_gate", "mlp.gate_proj"),
                    Map.entry("ffn_up", "mlp.up_proj"),
                    Map.entry("ffn_down", "mlp.down_proj"));

    /// Where a family's blocks differ from the table above.
    private Map<String, String> ownBlockNames() {
        return switch (architecture) {
            case "gemma2", "gemma3" -> Map.of("ffn_norm", "pre_feedforward_layernorm");
            case "phi3" -> Map.of("ffn_up", "mlp.gate_up_proj");
            case "starcoder2" -> Map.of("ffn_up", "mlp.c_fc", "ffn_down", "mlp.c_proj");
            default -> Map.of();
        };
    }

    String huggingFace(String stored) {
        Matcher inBlock = IN_BLOCK.matcher(stored);
        if (inBlock.matches()) {
            String part = inBlock.group(2);
            String name = ownBlockNames().getOrDefault(part, BLOCK_NAMES.get(part));
            return name == null
                    ? stored
                    : "model.layers.%s.%s.%s".formatted(inBlock.group(1), name, inBlock.group(3));
        }
        Matcher outside = OUTSIDE.matcher(stored);
        if (outside.matches() && OUTSIDE_NAMES.containsKey(outside.group(1))) {
            return OUTSIDE_NAMES.get(outside.group(1)) + "." + outside.group(2);
        }
        return stored;
    }

    /// True for q and k, weights and biases, of the families that llama.cpp runs with rope on
    /// adjacent pairs: it permutes their rows when it converts them.
    boolean hasAdjacentPairs(String huggingFaceName) {
        return switch (architecture) {
            case "llama", "granite" ->
                    huggingFaceName.contains(".self_attn.q_proj.")
                            || huggingFaceName.contains(".self_attn.k_proj.");
            default -> false;
        };
    }
}

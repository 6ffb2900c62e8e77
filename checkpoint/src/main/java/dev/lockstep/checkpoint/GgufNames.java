// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The Hugging Face names of a GGUF file's tensors, and which of them have permuted rows.
///
/// A name without a rule is kept.
record GgufNames(String architecture) {
    private static final Pattern IN_BLOCK =
            Pattern.compile("blk\\.(\\d{1,5})\\.([a-z0-9_.]+?)(\\.(?:weight|bias))?");
    private static final Pattern ONE_EXPERT =
            Pattern.compile("blk\\.(\\d{1,5})\\.ffn_(gate|up|down)\\.(\\d{1,5})\\.weight");
    private static final Pattern IN_LAYER =
            Pattern.compile("(?:model\\.layers|transformer\\.h)\\.(\\d{1,5})\\.(.+)");
    private static final Pattern ENDING = Pattern.compile("(.+)\\.(weight|bias)");
    private static final Pattern OUTSIDE = Pattern.compile("([a-z0-9_]+)\\.(weight|bias)");

    private static final Map<String, String> OUTSIDE_NAMES =
            Map.of(
                    "token_embd", "model.embed_tokens",
                    "output_norm", "model.norm",
                    "token_embd_norm", "model.embedding_norm",
                    "per_layer_token_embd", "model.embed_tokens_per_layer",
                    "per_layer_model_proj", "model.per_layer_model_projection",
                    "per_layer_proj_norm", "model.per_layer_projection_norm",
                    "altup_proj", "model.altup_projections",
                    "altup_unembd_proj", "model.altup_unembed_projections",
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
                    Map.entry("ffn_down", "mlp.down_proj"),
                    Map.entry("ffn_gate_inp", "mlp.gate"),
                    Map.entry("ffn_gate_exps", "mlp.experts.gate_proj"),
                    Map.entry("ffn_up_exps", "mlp.experts.up_proj"),
                    Map.entry("ffn_gate_up_exps", "mlp.experts.gate_up_proj"),
                    Map.entry("ffn_down_exps", "mlp.experts.down_proj"),
                    Map.entry("ffn_gate_shexp", "mlp.shared_experts.gate_proj"),
                    Map.entry("ffn_up_shexp", "mlp.shared_experts.up_proj"),
                    Map.entry("ffn_down_shexp", "mlp.shared_experts.down_proj"));

    private static final Map<String, String> FALCON_OUTSIDE_NAMES =
            Map.of(
                    "token_embd", "model.embed_tokens",
                    "output_norm", "model.final_layernorm",
                    "output", "lm_head");

    /// Names of GPT-2 and GPTBigCode, which differ from those of the other families.
    private static final Map<String, String> GPT_OUTSIDE_NAMES =
            Map.of(
                    "token_embd", "transformer.wte",
                    "position_embd", "transformer.wpe",
                    "output_norm", "transformer.ln_f",
                    "output", "lm_head");

    private static final Map<String, String> GPT_BLOCK_NAMES =
            Map.of(
                    "attn_norm", "ln_1",
                    "attn_qkv", "attn.c_attn",
                    "attn_output", "attn.c_proj",
                    "ffn_norm", "ln_2",
                    "ffn_up", "mlp.c_fc",
                    "ffn_down", "mlp.c_proj");

    private boolean isGpt() {
        return architecture.equals("gpt2") || architecture.equals("starcoder");
    }

    String huggingFace(String stored) {
        Matcher expert = ONE_EXPERT.matcher(stored);
        if (expert.matches()) {
            return "model.layers.%s.mlp.experts.%s.%s_proj.weight"
                    .formatted(expert.group(1), expert.group(3), expert.group(2));
        }
        Matcher inBlock = IN_BLOCK.matcher(stored);
        if (inBlock.matches()) {
            String ending = inBlock.group(3) == null ? "" : inBlock.group(3);
            Optional<GgufEncoderNames> encoder = GgufEncoderNames.of(architecture);
            if (encoder.isPresent()) {
                return encoder.get()
                        .inside(inBlock.group(1), inBlock.group(2))
                        .map(name -> name + ending)
                        .orElse(stored);
            }
            String name = inBlock(inBlock.group(2), ending);
            return name.isEmpty()
                    ? stored
                    : "%s.%s.%s"
                            .formatted(
                                    isGpt() ? "transformer.h" : "model.layers",
                                    inBlock.group(1),
                                    name);
        }
        Matcher outside = OUTSIDE.matcher(stored);
        if (outside.matches() && outside().containsKey(outside.group(1))) {
            return outside().get(outside.group(1)) + "." + outside.group(2);
        }
        return stored;
    }

    /// Returns the name that a tensor has in a GGUF file; empty if none stands for it.
    Optional<String> stored(String huggingFace) {
        if (huggingFace.startsWith("cls.") || GgufPooling.DENSE.contains(huggingFace)) {
            return Optional.of(huggingFace);
        }
        Optional<GgufEncoderNames> encoder = GgufEncoderNames.of(architecture);
        if (encoder.isPresent()) {
            return encoder.get().stored(huggingFace);
        }
        Matcher whole = IN_LAYER.matcher(huggingFace);
        if (whole.matches()) {
            Optional<String> part =
                    keysOf(GgufFamilyNames.of(architecture).whole(), whole.group(2)).findFirst();
            if (part.isPresent()) {
                return Optional.of("blk.%s.%s".formatted(whole.group(1), part.get()));
            }
        }
        Matcher name = ENDING.matcher(huggingFace);
        if (!name.matches()) {
            return Optional.empty();
        }
        Matcher layer = IN_LAYER.matcher(name.group(1));
        Stream<String> candidates =
                layer.matches()
                        ? Stream.of(
                                        GgufFamilyNames.of(architecture).parts(),
                                        isGpt() ? GPT_BLOCK_NAMES : BLOCK_NAMES)
                                .flatMap(each -> keysOf(each, layer.group(2)))
                                .map(part -> "blk.%s.%s".formatted(layer.group(1), part))
                        : keysOf(outside(), name.group(1));
        return candidates
                .map(each -> each + "." + name.group(2))
                .filter(each -> huggingFace(each).equals(huggingFace))
                .min(Comparator.comparingInt(this::preference));
    }

    /// Returns 0 for the name to be chosen where two stand for the norm after attention.
    private int preference(String stored) {
        boolean after = stored.contains("post_attention_norm");
        boolean normsResults = architecture.equals("olmo2") || architecture.equals("exaone4");
        return after == normsResults ? 0 : 1;
    }

    private static Stream<String> keysOf(Map<String, String> names, String value) {
        return names.entrySet().stream()
                .filter(each -> each.getValue().equals(value))
                .map(Map.Entry::getKey);
    }

    /// Returns the name within its layer of a tensor of a block; empty without a rule.
    ///
    /// @param ending `.weight`, `.bias` or nothing
    private String inBlock(String part, String ending) {
        GgufFamilyNames own = GgufFamilyNames.of(architecture);
        String whole = own.whole().get(part + ending);
        if (whole != null) {
            return whole;
        }
        String name =
                isGpt()
                        ? GPT_BLOCK_NAMES.get(part)
                        : own.parts().getOrDefault(part, BLOCK_NAMES.get(part));
        return name == null || ending.isEmpty() ? "" : name + ending;
    }

    private Map<String, String> outside() {
        return GgufEncoderNames.of(architecture)
                .map(GgufEncoderNames::outside)
                .orElseGet(this::outsideDecoder);
    }

    private Map<String, String> outsideDecoder() {
        return isGpt()
                ? GPT_OUTSIDE_NAMES
                : architecture.equals("falcon-h1") ? FALCON_OUTSIDE_NAMES : OUTSIDE_NAMES;
    }

    /// Returns true for q and k, weights and biases, of the families that llama.cpp runs with rope
    /// on adjacent pairs: it permutes their rows when it converts them.
    boolean hasAdjacentPairs(String huggingFaceName) {
        return switch (architecture) {
            case "arcee",
                    "granite",
                    "granitehybrid",
                    "granitemoe",
                    "llama",
                    "mistral3",
                    "smollm3" ->
                    huggingFaceName.contains(".self_attn.q_proj.")
                            || huggingFaceName.contains(".self_attn.k_proj.");
            default -> false;
        };
    }
}

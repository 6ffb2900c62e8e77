// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The configuration of the text model in `config.json`: the whole file, or a part of it where the
/// model has other modalities too.
///
/// Positions of text are equal in all dimensions of M-RoPE (Wang et al. 2024), which makes it plain
/// rope: its sections are left out.
///
/// @param architecture class of the text model
/// @param whole class of a model of several modalities
record TextConfig(JsonObject config, String architecture, Optional<String> whole) {
    private static final String NESTED = "text_config";

    /// Models of several modalities that run their text model unchanged if a prompt is only text.
    static final Set<String> WHOLE =
            Set.of(
                    "AyaVisionForConditionalGeneration",
                    "Cohere2VisionForConditionalGeneration",
                    "Gemma3ForConditionalGeneration",
                    "Gemma3nForConditionalGeneration",
                    "Gemma4ForConditionalGeneration",
                    "Glm46VForConditionalGeneration",
                    "Glm4vForConditionalGeneration",
                    "Glm4vMoeForConditionalGeneration",
                    "Idefics3ForConditionalGeneration",
                    "InternVLForConditionalGeneration",
                    "Lfm2VlForConditionalGeneration",
                    "Llama4ForConditionalGeneration",
                    "LlavaForConditionalGeneration",
                    "LlavaNextForConditionalGeneration",
                    "LlavaOnevisionForConditionalGeneration",
                    "Mistral3ForConditionalGeneration",
                    "Qwen2VLForConditionalGeneration",
                    "Qwen2_5_VLForConditionalGeneration",
                    "Qwen3VLForConditionalGeneration",
                    "Qwen3VLMoeForConditionalGeneration",
                    "Qwen3_5ForConditionalGeneration",
                    "Qwen3_5MoeForConditionalGeneration",
                    "SmolVLMForConditionalGeneration",
                    "VipLlavaForConditionalGeneration",
                    "VoxtralForConditionalGeneration");

    /// The class of each type of text model.
    private static final Map<String, String> CLASSES =
            Map.ofEntries(
                    Map.entry("cohere", "CohereForCausalLM"),
                    Map.entry("cohere2", "Cohere2ForCausalLM"),
                    Map.entry("gemma2", "Gemma2ForCausalLM"),
                    Map.entry("gemma3_text", "Gemma3ForCausalLM"),
                    Map.entry("gemma3n_text", "Gemma3nForCausalLM"),
                    Map.entry("gemma4_text", "Gemma4ForCausalLM"),
                    Map.entry("glm4v_text", "Glm4ForCausalLM"),
                    Map.entry("glm4v_moe_text", "Glm4MoeForCausalLM"),
                    Map.entry("granite", "GraniteForCausalLM"),
                    Map.entry("lfm2", "Lfm2ForCausalLM"),
                    Map.entry("lfm2_moe", "Lfm2MoeForCausalLM"),
                    Map.entry("llama", "LlamaForCausalLM"),
                    Map.entry("llama4_text", "Llama4ForCausalLM"),
                    Map.entry("ministral3", "Ministral3ForCausalLM"),
                    Map.entry("mistral", "MistralForCausalLM"),
                    Map.entry("mistral4", "Mistral4ForCausalLM"),
                    Map.entry("mixtral", "MixtralForCausalLM"),
                    Map.entry("phi3", "Phi3ForCausalLM"),
                    Map.entry("qwen2", "Qwen2ForCausalLM"),
                    Map.entry("qwen2_5_vl_text", "Qwen2ForCausalLM"),
                    Map.entry("qwen2_vl_text", "Qwen2ForCausalLM"),
                    Map.entry("qwen3", "Qwen3ForCausalLM"),
                    Map.entry("qwen3_moe", "Qwen3MoeForCausalLM"),
                    Map.entry("qwen3_vl_moe_text", "Qwen3MoeForCausalLM"),
                    Map.entry("qwen3_vl_text", "Qwen3ForCausalLM"),
                    Map.entry("qwen3_5_text", "Qwen3_5ForCausalLM"),
                    Map.entry("qwen3_5_moe_text", "Qwen3_5MoeForCausalLM"),
                    Map.entry("smollm3", "SmolLM3ForCausalLM"));

    /// The type of text models whose published configuration is not nested.
    private static final Map<String, String> FLAT =
            Map.of(
                    "Qwen2VLForConditionalGeneration", "qwen2_vl_text",
                    "Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl_text");

    /// The type of classes with defaults that no file states, for a file without `model_type`.
    private static final Map<String, String> TYPES =
            Map.of(
                    "Cohere2ForCausalLM", "cohere2",
                    "Exaone4ForCausalLM", "exaone4",
                    "Ministral3ForCausalLM", "ministral3",
                    "Olmo3ForCausalLM", "olmo3",
                    "SmolLM3ForCausalLM", "smollm3");

    private static final List<String> OUTER =
            List.of("tie_word_embeddings", "eos_token_id", "bos_token_id", "quantization_config");

    static TextConfig of(JsonObject config) {
        String architecture = architecture(config);
        if (!WHOLE.contains(architecture)) {
            return new TextConfig(typed(config, architecture), architecture, Optional.empty());
        }
        Optional<JsonObject> nested = config.object(NESTED);
        JsonObject source = nested.orElse(config);
        ObjectNode text = source.node().deepCopy();
        if (nested.isPresent()) {
            // The whole model's value holds, as in transformers.
            OUTER.stream()
                    .filter(config::has)
                    .forEach(key -> text.set(key, config.node().get(key)));
        } else {
            text.put("model_type", FLAT.getOrDefault(architecture, ""));
        }
        text.propertyStream()
                .filter(each -> each.getKey().startsWith("rope_"))
                .map(Map.Entry::getValue)
                .filter(ObjectNode.class::isInstance)
                .forEach(each -> withoutSections((ObjectNode) each));
        String type = text.path("model_type").asText();
        return new TextConfig(
                new JsonObject(config.file(), source.prefix(), text),
                CLASSES.getOrDefault(type, architecture),
                Optional.of(architecture));
    }

    /// Returns the name of the model's class, or of its type.
    private static String architecture(JsonObject config) {
        List<String> classes = config.texts("architectures");
        if (!classes.isEmpty()) {
            return classes.getFirst();
        }
        return config.text("model_type")
                .orElseThrow(() -> config.missing("architectures", "model_type"));
    }

    private static JsonObject typed(JsonObject config, String architecture) {
        if (config.has("model_type") || !TYPES.containsKey(architecture)) {
            return config;
        }
        ObjectNode node = config.node().deepCopy();
        node.put("model_type", TYPES.get(architecture));
        return new JsonObject(config.file(), config.prefix(), node);
    }

    private static void withoutSections(ObjectNode rope) {
        rope.remove(List.of("mrope_section", "mrope_interleaved"));
        for (String key : List.of("type", "rope_type")) {
            if (rope.path(key).asText().equals("mrope")) {
                rope.put(key, "default");
            }
        }
    }
}

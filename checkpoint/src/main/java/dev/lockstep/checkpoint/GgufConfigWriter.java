// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A writer of a model's configuration as GGUF metadata, for readers that have the rules of the
/// architecture itself, such as its activation or which of its layers have windows.
///
/// @param architecture the first part of the keys
record GgufConfigWriter(GgufHeader header, String architecture) {
    /// GGUF's name of each class whose models have one.
    private static final Map<String, String> NAMES =
            Map.ofEntries(
                    Map.entry("BertModel", "bert"),
                    Map.entry("BertForMaskedLM", "bert"),
                    Map.entry("BertForSequenceClassification", "bert"),
                    Map.entry("DistilBertModel", "bert"),
                    Map.entry("DistilBertForMaskedLM", "bert"),
                    Map.entry("DistilBertForSequenceClassification", "bert"),
                    Map.entry("RobertaModel", "bert"),
                    Map.entry("RobertaForMaskedLM", "bert"),
                    Map.entry("RobertaForSequenceClassification", "bert"),
                    Map.entry("XLMRobertaModel", "bert"),
                    Map.entry("XLMRobertaForMaskedLM", "bert"),
                    Map.entry("XLMRobertaForSequenceClassification", "bert"),
                    Map.entry("ModernBertModel", "modern-bert"),
                    Map.entry("ModernBertForMaskedLM", "modern-bert"),
                    Map.entry("ModernBertForSequenceClassification", "modern-bert"),
                    Map.entry("NomicBertModel", "nomic-bert"),
                    Map.entry("Gemma3TextModel", "gemma-embedding"),
                    Map.entry("ArceeForCausalLM", "arcee"),
                    Map.entry("CohereForCausalLM", "command-r"),
                    Map.entry("Cohere2ForCausalLM", "cohere2"),
                    Map.entry("Ernie4_5ForCausalLM", "ernie4_5"),
                    Map.entry("Exaone4ForCausalLM", "exaone4"),
                    Map.entry("GPT2LMHeadModel", "gpt2"),
                    Map.entry("GPTBigCodeForCausalLM", "starcoder"),
                    Map.entry("GemmaForCausalLM", "gemma"),
                    Map.entry("Gemma2ForCausalLM", "gemma2"),
                    Map.entry("Gemma3ForCausalLM", "gemma3"),
                    Map.entry("Gemma3nForCausalLM", "gemma3n"),
                    Map.entry("Gemma4ForCausalLM", "gemma4"),
                    Map.entry("Glm4ForCausalLM", "glm4"),
                    Map.entry("GraniteForCausalLM", "granite"),
                    Map.entry("LlamaForCausalLM", "llama"),
                    Map.entry("Ministral3ForCausalLM", "mistral3"),
                    Map.entry("MistralForCausalLM", "llama"),
                    Map.entry("MixtralForCausalLM", "llama"),
                    Map.entry("NemotronForCausalLM", "nemotron"),
                    Map.entry("Olmo2ForCausalLM", "olmo2"),
                    Map.entry("OlmoeForCausalLM", "olmoe"),
                    Map.entry("Phi3ForCausalLM", "phi3"),
                    Map.entry("Qwen2ForCausalLM", "qwen2"),
                    Map.entry("Qwen3ForCausalLM", "qwen3"),
                    Map.entry("Qwen3MoeForCausalLM", "qwen3moe"),
                    Map.entry("SeedOssForCausalLM", "seed_oss"),
                    Map.entry("SmolLM3ForCausalLM", "smollm3"),
                    Map.entry("Starcoder2ForCausalLM", "starcoder2"));

    private static final Set<String> WITH_WINDOWS =
            Set.of("cohere2", "exaone4", "gemma2", "gemma3", "gemma3n", "gemma4", "phi3");

    private static final Set<String> WITH_LAYER_NORM =
            Set.of("cohere2", "command-r", "gpt2", "nemotron", "starcoder", "starcoder2");

    private static final List<String> EOS_NAMES = List.of("eos", "eot", "eom");

    /// The number of ids that end a text that a file has room for.
    static final int EOS_IDS = EOS_NAMES.size();

    /// Returns GGUF's name of the architecture of a folder.
    static String nameOf(Checkpoint folder) {
        String name = NAMES.get(folder.architecture());
        // Gemma 3 without its head is an encoder if it attends in both directions.
        boolean decodes =
                "gemma-embedding".equals(name) && folder.config().details().encoder().isEmpty();
        if (name == null || decodes) {
            throw new CheckpointException(
                    "%s: %s is not converted to GGUF; %s are"
                            .formatted(
                                    folder.path(),
                                    folder.architecture(),
                                    String.join(", ", NAMES.keySet().stream().sorted().toList())));
        }
        return name;
    }

    /// Writes all keys and returns the divisors of rope by the names of their tensors.
    GgufRopeWriter.Written write(ModelConfig config) {
        header.put("general.architecture", architecture);
        put("context_length", config.contextLength());
        put("embedding_length", config.hiddenSize());
        put("block_count", config.layerCount());
        put("vocab_size", config.vocabularySize());
        Optional<EncoderConfig> encoder = config.details().encoder();
        if (encoder.isPresent()) {
            return new GgufEncoderWriter(header, architecture).write(config, encoder.get());
        }
        if (GgufGemmaWriter.isOf(architecture)) {
            new GgufGemmaWriter(header, architecture).write(config);
        } else {
            put("feed_forward_length", config.feedForwardSize());
            put("attention.head_count", config.attention().headCount());
            put("attention.head_count_kv", config.attention().kvHeadCount());
            put("attention.key_length", config.attention().headDim());
            put("attention.value_length", config.attention().headDim());
        }
        put(
                WITH_LAYER_NORM.contains(architecture)
                        ? "attention.layer_norm_epsilon"
                        : "attention.layer_norm_rms_epsilon",
                config.normEpsilon());
        if (WITH_WINDOWS.contains(architecture)) {
            config.pagedGroups().stream()
                    .filter(group -> group.window() > 0)
                    .findFirst()
                    .ifPresent(group -> put("attention.sliding_window", group.window()));
        }
        config.details().experts().ifPresent(experts -> experts(experts, config.feedForwardSize()));
        details(config);
        specialIds(config.specialIds());
        if (architecture.equals("gemma3")) {
            put("rope.freq_base_swa", config.windowRope().theta());
        }
        return new GgufRopeWriter(header, architecture)
                .write(config.rope(), config.contextLength());
    }

    private void experts(ExpertConfig experts, int size) {
        put("expert_count", experts.count());
        put("expert_used_count", experts.perToken());
        if (architecture.equals("gemma4") || architecture.equals("qwen3moe")) {
            put("expert_feed_forward_length", size);
        }
    }

    private void details(ModelConfig config) {
        DecoderDetails details = config.details();
        details.attentionCap().ifPresent(value -> put("attn_logit_softcapping", value));
        details.logitCap().ifPresent(value -> put("final_logit_softcapping", value));
        switch (architecture) {
            case "granite" -> {
                details.attentionScale().ifPresent(value -> put("attention.scale", value));
                put("embedding_scale", details.embeddingMultiplier());
                put("residual_scale", details.residualMultiplier());
                put("logit_scale", details.logitDivisor());
            }
            case "cohere2", "command-r" -> put("logit_scale", 1 / details.logitDivisor());
            default -> {}
        }
        details.positions()
                .queryScale()
                .filter(_ -> architecture.equals("mistral3"))
                .ifPresent(scale -> put("attention.temperature_scale", scale.beta()));
    }

    private void specialIds(SpecialIds ids) {
        ids.bos().ifPresent(id -> header.put("tokenizer.ggml.bos_token_id", id));
        for (int i = 0; i < Math.min(EOS_IDS, ids.eos().size()); i++) {
            header.put("tokenizer.ggml." + EOS_NAMES.get(i) + "_token_id", ids.eos().get(i));
        }
    }

    private void put(String name, int value) {
        header.put(architecture + "." + name, value);
    }

    private void put(String name, double value) {
        header.put(architecture + "." + name, (float) value);
    }
}

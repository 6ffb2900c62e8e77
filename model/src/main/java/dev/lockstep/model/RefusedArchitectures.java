// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// Known architectures that no family computes, with the reason; some have the tensors and keys of
/// a plain decoder.
final class RefusedArchitectures {
    private static final String ALIBI = "its scores fall with the distance (ALiBi)";
    private static final String BIAS = "its scores have a bias by distance";
    private static final String ENCODER_DECODER = "it has an encoder beside its decoder";

    private static final Map<String, String> REASONS =
            new TreeMap<>(
                    Map.ofEntries(
                            Map.entry("BaichuanForCausalLM", "it joins q, k and v in W_pack"),
                            Map.entry("BartForConditionalGeneration", ENCODER_DECODER),
                            Map.entry("BloomForCausalLM", ALIBI),
                            Map.entry("ChatGLMModel", "it is the older form of GlmForCausalLM"),
                            Map.entry("DiffLlamaForCausalLM", "it subtracts two softmaxes"),
                            Map.entry("JinaBertForMaskedLM", ALIBI),
                            Map.entry("JinaBertModel", ALIBI),
                            Map.entry("MPNetForMaskedLM", BIAS),
                            Map.entry("MPNetModel", BIAS),
                            Map.entry(
                                    "MllamaForConditionalGeneration",
                                    "it attends to images in layers of its own"),
                            Map.entry("MptForCausalLM", ALIBI),
                            Map.entry(
                                    "PaliGemmaForConditionalGeneration",
                                    "its prompts attend in both directions"),
                            Map.entry("T5ForConditionalGeneration", ENCODER_DECODER),
                            Map.entry("WhisperForConditionalGeneration", ENCODER_DECODER)));

    private RefusedArchitectures() {}

    static Optional<String> reason(String architecture) {
        return Optional.ofNullable(REASONS.get(architecture));
    }

    static Set<String> names() {
        return Collections.unmodifiableSet(REASONS.keySet());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.UnusableException;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/// Which tensors of a layer can take the divisors of which matrices' inputs.
///
/// @param normOffset what norms add to their stored weights
record ScaledLinks(List<Link> links, float normOffset) {
    /// Architectures in which these inputs have no other reader and the norms multiply by their
    /// weights.
    private static final Set<String> PLAIN =
            Set.of(
                    "GraniteForCausalLM",
                    "LlamaForCausalLM",
                    "MistralForCausalLM",
                    "Phi3ForCausalLM",
                    "Qwen2ForCausalLM",
                    "Qwen3ForCausalLM",
                    "SeedOssForCausalLM",
                    "SmolLM3ForCausalLM",
                    "gemma",
                    "granite",
                    "llama",
                    "phi3",
                    "qwen2",
                    "qwen3",
                    "seed_oss",
                    "smollm3");

    /// Likewise, and the norms multiply by 1 plus their weights; a GGUF file stores the sum.
    private static final Set<String> ONE_PLUS = Set.of("GemmaForCausalLM");

    /// Architectures with another norm after attention, before its residual.
    private static final Set<String> PLAIN_SANDWICH = Set.of("gemma2", "gemma3");

    private static final Set<String> ONE_PLUS_SANDWICH =
            Set.of("Gemma2ForCausalLM", "Gemma3ForCausalLM");

    /// A tensor and the matrices that multiply what it makes, by their names in a layer.
    record Link(String producer, List<String> consumers) {
        boolean isNorm() {
            return producer.endsWith("norm");
        }
    }

    /// Returns the links of an architecture.
    ///
    /// @param setting what asks for scales, such as `--method=awq`
    /// @throws UnusableException if its models are not scaled
    static ScaledLinks of(String architecture, String setting) {
        boolean sandwich =
                PLAIN_SANDWICH.contains(architecture) || ONE_PLUS_SANDWICH.contains(architecture);
        boolean onePlus =
                ONE_PLUS.contains(architecture) || ONE_PLUS_SANDWICH.contains(architecture);
        if (!sandwich && !onePlus && !PLAIN.contains(architecture)) {
            var known = new TreeSet<String>();
            Stream.of(PLAIN, ONE_PLUS, PLAIN_SANDWICH, ONE_PLUS_SANDWICH).forEach(known::addAll);
            throw new UnusableException(
                    "%s: %s is none of %s"
                            .formatted(setting, architecture, String.join(", ", known)));
        }
        return new ScaledLinks(
                List.of(
                        new Link(
                                "input_layernorm",
                                List.of(
                                        "self_attn.q_proj",
                                        "self_attn.k_proj",
                                        "self_attn.v_proj",
                                        "self_attn.qkv_proj")),
                        new Link("self_attn.v_proj", List.of("self_attn.o_proj")),
                        new Link(
                                sandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm",
                                List.of("mlp.gate_proj", "mlp.up_proj", "mlp.gate_up_proj")),
                        new Link("mlp.up_proj", List.of("mlp.down_proj"))),
                onePlus ? 1 : 0);
    }

    /// Returns the links from norms alone.
    ScaledLinks ofNorms() {
        return new ScaledLinks(links.stream().filter(Link::isNorm).toList(), normOffset);
    }
}

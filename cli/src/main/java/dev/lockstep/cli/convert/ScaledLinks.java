// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.UnusableException;
import java.util.ArrayList;
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
                    "MixtralForCausalLM",
                    "OlmoeForCausalLM",
                    "Phi3ForCausalLM",
                    "Qwen2ForCausalLM",
                    "Qwen2MoeForCausalLM",
                    "Qwen3ForCausalLM",
                    "Qwen3MoeForCausalLM",
                    "SeedOssForCausalLM",
                    "SmolLM3ForCausalLM",
                    "gemma",
                    "granite",
                    "llama",
                    "mixtral",
                    "olmoe",
                    "phi3",
                    "qwen2",
                    "qwen2moe",
                    "qwen3",
                    "qwen3moe",
                    "seed_oss",
                    "smollm3");

    /// Likewise, and the norms multiply by 1 plus their weights; a GGUF file stores the sum.
    private static final Set<String> ONE_PLUS = Set.of("GemmaForCausalLM");

    /// Architectures with another norm after attention, before its residual.
    private static final Set<String> PLAIN_SANDWICH = Set.of("gemma2", "gemma3");

    private static final Set<String> ONE_PLUS_SANDWICH =
            Set.of("Gemma2ForCausalLM", "Gemma3ForCausalLM");

    /// Matrices that decide about experts, which read what the experts read and are not quantized.
    private static final List<String> ROUTERS =
            List.of("mlp.gate", "block_sparse_moe.gate", "mlp.shared_expert_gate");

    /// The gate, up and down projections of an expert, by the number of the expert.
    private static final List<List<String>> EXPERTS =
            List.of(
                    List.of(
                            "mlp.experts.%d.gate_proj",
                            "mlp.experts.%d.up_proj", "mlp.experts.%d.down_proj"),
                    List.of(
                            "block_sparse_moe.experts.%d.w1",
                            "block_sparse_moe.experts.%d.w3", "block_sparse_moe.experts.%d.w2"));

    /// The gate and up projections of an expert in one matrix.
    private static final List<String> MERGED_EXPERTS =
            List.of("mlp.experts.%d.gate_up_proj", "block_sparse_moe.experts.%d.gate_up_proj");

    /// A tensor and the matrices that multiply what it makes, by their names in a layer.
    ///
    /// @param consumers that are quantized
    /// @param exact those that are not; scales are powers of two then, so that they stay exact
    record Link(String producer, List<String> consumers, List<String> exact) {
        Link(String producer, List<String> consumers) {
            this(producer, consumers, List.of());
        }

        boolean isNorm() {
            return producer.endsWith("norm");
        }

        /// Returns all matrices that are multiplied.
        Stream<String> readers() {
            return Stream.concat(consumers.stream(), exact.stream());
        }
    }

    /// Returns the links of an architecture.
    ///
    /// @param experts of a layer
    /// @param setting what asks for scales, such as `--method=awq`
    /// @throws UnusableException if its models are not scaled
    static ScaledLinks of(String architecture, int experts, String setting) {
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
        String norm = sandwich ? "pre_feedforward_layernorm" : "post_attention_layernorm";
        List<Link> links = new ArrayList<>();
        links.add(
                new Link(
                        "input_layernorm",
                        List.of(
                                "self_attn.q_proj",
                                "self_attn.k_proj",
                                "self_attn.v_proj",
                                "self_attn.qkv_proj")));
        links.add(new Link("self_attn.v_proj", List.of("self_attn.o_proj")));
        links.add(new Link(norm, feedForward(experts), experts > 0 ? ROUTERS : List.of()));
        links.add(new Link("mlp.up_proj", List.of("mlp.down_proj")));
        if (experts > 0) {
            links.add(
                    new Link("mlp.shared_expert.up_proj", List.of("mlp.shared_expert.down_proj")));
        }
        for (int i = 0; i < experts; i++) {
            int expert = i;
            EXPERTS.forEach(
                    names ->
                            links.add(
                                    new Link(
                                            names.get(1).formatted(expert),
                                            List.of(names.get(2).formatted(expert)))));
        }
        return new ScaledLinks(List.copyOf(links), onePlus ? 1 : 0);
    }

    /// Returns the first matrices of feed-forwards and experts.
    private static List<String> feedForward(int experts) {
        List<String> all =
                new ArrayList<>(List.of("mlp.gate_proj", "mlp.up_proj", "mlp.gate_up_proj"));
        if (experts > 0) {
            all.addAll(List.of("mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj"));
        }
        for (List<String> names : EXPERTS) {
            for (int expert = 0; expert < experts; expert++) {
                all.add(names.get(0).formatted(expert));
                all.add(names.get(1).formatted(expert));
            }
        }
        for (String merged : MERGED_EXPERTS) {
            for (int expert = 0; expert < experts; expert++) {
                all.add(merged.formatted(expert));
            }
        }
        return all;
    }

    /// Returns whether a matrix reads what is scaled.
    boolean reads(String name) {
        return links.stream()
                .flatMap(Link::readers)
                .anyMatch(each -> name.endsWith("." + each + ".weight"));
    }

    /// Returns the links from norms alone.
    ScaledLinks ofNorms() {
        return new ScaledLinks(links.stream().filter(Link::isNorm).toList(), normOffset);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import java.io.IOException;
import java.nio.file.Path;

/// A dense model with latent attention and random weights.
final class LatentModel {
    static final long RANK = 48;
    static final long ROTATED = 16;
    static final long PLAIN = 24;
    static final long VALUE = 20;

    private LatentModel() {}

    /// Writes a dense model whose rows q8 can divide into groups.
    static void write(Path folder) throws IOException {
        long heads = TinyModel.HEADS;
        long hidden = TinyModel.HIDDEN;
        TinyModel.llama("YoutuForCausalLM")
                .with("model_type", "\"youtu\"")
                .with("num_key_value_heads", heads)
                .with("kv_lora_rank", RANK)
                .with("qk_nope_head_dim", PLAIN)
                .with("qk_rope_head_dim", ROTATED)
                .with("v_head_dim", VALUE)
                .with("q_lora_rank", "null")
                .without("self_attn.k_proj.weight")
                .without("self_attn.v_proj.weight")
                .everyLayer("self_attn.q_proj.weight", heads * (PLAIN + ROTATED), hidden)
                .everyLayer("self_attn.kv_a_proj_with_mqa.weight", RANK + ROTATED, hidden)
                .everyLayer("self_attn.kv_a_layernorm.weight", RANK)
                .everyLayer("self_attn.kv_b_proj.weight", heads * (PLAIN + VALUE), RANK)
                .everyLayer("self_attn.o_proj.weight", hidden, heads * VALUE)
                .write(folder);
    }
}

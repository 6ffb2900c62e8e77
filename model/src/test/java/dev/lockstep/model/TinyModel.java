// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The configuration and the tensor shapes of a small model, to be written with random weights.
record TinyModel(Map<String, String> config, Map<String, List<Long>> shapes) {
    static final int LAYERS = 3;
    static final long HIDDEN = 64;
    static final long HEADS = 4;
    static final long KV_HEADS = 2;
    static final long HEAD_SIZE = 16;
    static final long WIDTH = 96;
    static final long VOCABULARY = 160;
    static final long CONTEXT = 128;

    /// Creates a Llama-like decoder, in the older layout of `config.json`.
    static TinyModel llama(String architecture) {
        var model = new TinyModel(new LinkedHashMap<>(), new LinkedHashMap<>());
        model.with("architectures", "[\"" + architecture + "\"]")
                .with("hidden_size", HIDDEN)
                .with("num_hidden_layers", LAYERS)
                .with("num_attention_heads", HEADS)
                .with("num_key_value_heads", KV_HEADS)
                .with("intermediate_size", WIDTH)
                .with("vocab_size", VOCABULARY)
                .with("max_position_embeddings", CONTEXT)
                .with("rms_norm_eps", 1e-5)
                .with("rope_theta", 10000)
                .with("tie_word_embeddings", false)
                .tensor("model.embed_tokens.weight", VOCABULARY, HIDDEN)
                .tensor("model.norm.weight", HIDDEN)
                .tensor("lm_head.weight", VOCABULARY, HIDDEN);
        return model.everyLayer("input_layernorm.weight", HIDDEN)
                .everyLayer("self_attn.q_proj.weight", HEADS * HEAD_SIZE, HIDDEN)
                .everyLayer("self_attn.k_proj.weight", KV_HEADS * HEAD_SIZE, HIDDEN)
                .everyLayer("self_attn.v_proj.weight", KV_HEADS * HEAD_SIZE, HIDDEN)
                .everyLayer("self_attn.o_proj.weight", HIDDEN, HEADS * HEAD_SIZE)
                .everyLayer("post_attention_layernorm.weight", HIDDEN)
                .everyLayer("mlp.gate_proj.weight", WIDTH, HIDDEN)
                .everyLayer("mlp.up_proj.weight", WIDTH, HIDDEN)
                .everyLayer("mlp.down_proj.weight", HIDDEN, WIDTH);
    }

    /// Creates a GPTBigCode with one key and value head.
    static TinyModel gptBigCode() {
        var model = new TinyModel(new LinkedHashMap<>(), new LinkedHashMap<>());
        model.with("architectures", "[\"GPTBigCodeForCausalLM\"]")
                .with("model_type", "\"gpt_bigcode\"")
                .with("n_embd", HIDDEN)
                .with("n_layer", LAYERS)
                .with("n_head", HEADS)
                .with("n_inner", WIDTH)
                .with("n_positions", CONTEXT)
                .with("vocab_size", VOCABULARY)
                .with("layer_norm_epsilon", 1e-5)
                .with("multi_query", true)
                .with("activation_function", "\"gelu_pytorch_tanh\"")
                .tensor("transformer.wte.weight", VOCABULARY, HIDDEN)
                .tensor("transformer.wpe.weight", CONTEXT, HIDDEN)
                .biased("transformer.ln_f", HIDDEN);
        for (int i = 0; i < LAYERS; i++) {
            String layer = "transformer.h." + i;
            model.biased(layer + ".ln_1", HIDDEN)
                    .biased(layer + ".attn.c_attn", (HEADS + 2) * HEAD_SIZE, HIDDEN)
                    .biased(layer + ".attn.c_proj", HIDDEN, HEADS * HEAD_SIZE)
                    .biased(layer + ".ln_2", HIDDEN)
                    .biased(layer + ".mlp.c_fc", WIDTH, HIDDEN)
                    .biased(layer + ".mlp.c_proj", HIDDEN, WIDTH);
        }
        return model;
    }

    /// Sets a key of the configuration.
    ///
    /// @param value as in JSON
    TinyModel with(String key, Object value) {
        config.put(key, value.toString());
        return this;
    }

    TinyModel tensor(String name, Long... shape) {
        shapes.put(name, List.of(shape));
        return this;
    }

    TinyModel everyLayer(String name, Long... shape) {
        for (int i = 0; i < LAYERS; i++) {
            tensor("model.layers.%d.%s".formatted(i, name), shape);
        }
        return this;
    }

    TinyModel without(String suffix) {
        shapes.keySet().removeIf(name -> name.endsWith(suffix));
        return this;
    }

    void write(Path folder) throws IOException {
        var json = new StringBuilder("{");
        config.forEach(
                (key, value) ->
                        json.append(json.length() > 1 ? "," : "")
                                .append("\"%s\": %s".formatted(key, value)));
        TinyCheckpoint.write(folder, 11, json.append("}").toString(), shapes);
    }

    private TinyModel biased(String name, Long... shape) {
        return tensor(name + ".weight", shape).tensor(name + ".bias", shape[0]);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// A writer of a tiny llama with random f32 weights, a tokenizer and a chat template: enough to
/// start a whole cluster in tests, and in the run that trains start-up caches.
///
/// The same seed gives the same bytes. Text that the model generates is meaningless.
public final class TinyCheckpoint {
    public static final int HIDDEN = 64;
    public static final int LAYERS = 2;
    public static final int HEADS = 4;
    public static final int KV_HEADS = 2;
    public static final int HEAD_DIM = 16;
    public static final int FEED_FORWARD = 128;
    public static final int VOCABULARY = 512;
    public static final int CONTEXT = 512;

    private static final List<String> SPECIAL =
            List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>");
    private static final int END_OF_TEXT = 0;
    private static final int MESSAGE_END = 2;

    private static final String CHAT_TEMPLATE =
            "{% for message in messages %}"
                    + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
                    + "{% endfor %}"
                    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static final ObjectMapper JSON = new ObjectMapper();

    private TinyCheckpoint() {}

    /// Writes the model into `folder`, which is created, in one safetensors file.
    public static void write(Path folder, long seed) throws IOException {
        Files.createDirectories(folder);
        writeText(folder);
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors(seed));
    }

    /// Writes a model of any architecture, without a tokenizer: random f32 tensors of the given
    /// shapes, norms near 1.
    ///
    /// @param config what `config.json` holds
    public static void write(Path folder, long seed, String config, Map<String, List<Long>> shapes)
            throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), config);
        var random = new Random(seed);
        Map<String, SafetensorsWriter.Content> tensors = new LinkedHashMap<>();
        shapes.forEach(
                (name, shape) -> {
                    boolean norm = name.matches(".*(norm|ln_.)\\.weight");
                    tensors.put(name, content(random, shape, norm ? 1 : 0));
                });
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors);
    }

    /// Writes the same model in `shardCount` safetensors files with an index.
    public static void writeSharded(Path folder, long seed, int shardCount) throws IOException {
        Files.createDirectories(folder);
        writeText(folder);
        List<Map<String, SafetensorsWriter.Content>> shards = new ArrayList<>();
        for (int shard = 0; shard < shardCount; shard++) {
            shards.add(new LinkedHashMap<>());
        }
        ObjectNode index = JSON.createObjectNode();
        ObjectNode weightMap = index.putObject("weight_map");
        int next = 0;
        for (Map.Entry<String, SafetensorsWriter.Content> tensor : tensors(seed).entrySet()) {
            int shard = next++ % shardCount;
            shards.get(shard).put(tensor.getKey(), tensor.getValue());
            weightMap.put(tensor.getKey(), shardName(shard, shardCount));
        }
        for (int shard = 0; shard < shardCount; shard++) {
            SafetensorsWriter.write(
                    folder.resolve(shardName(shard, shardCount)), shards.get(shard));
        }
        Files.writeString(folder.resolve("model.safetensors.index.json"), index.toPrettyString());
    }

    private static String shardName(int shard, int shardCount) {
        return "model-%05d-of-%05d.safetensors".formatted(shard + 1, shardCount);
    }

    private static void writeText(Path folder) throws IOException {
        Files.writeString(folder.resolve("config.json"), config().toPrettyString());
        Files.writeString(
                folder.resolve("generation_config.json"),
                JSON.createObjectNode()
                        .put("bos_token_id", END_OF_TEXT)
                        .put("eos_token_id", MESSAGE_END)
                        .toPrettyString());
        Files.writeString(
                folder.resolve("tokenizer.json"), TinyTokenizer.learn(VOCABULARY, SPECIAL).json());
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                JSON.createObjectNode()
                        .put("tokenizer_class", "PreTrainedTokenizerFast")
                        .put("add_bos_token", false)
                        .put("bos_token", SPECIAL.get(END_OF_TEXT))
                        .put("eos_token", SPECIAL.get(MESSAGE_END))
                        .put("model_max_length", CONTEXT)
                        .put("chat_template", CHAT_TEMPLATE)
                        .toPrettyString());
    }

    /// Returns the configuration in the older layout, like most published models.
    private static ObjectNode config() {
        ObjectNode config = JSON.createObjectNode();
        config.putArray("architectures").add("LlamaForCausalLM");
        return config.put("model_type", "llama")
                .put("hidden_size", HIDDEN)
                .put("num_hidden_layers", LAYERS)
                .put("num_attention_heads", HEADS)
                .put("num_key_value_heads", KV_HEADS)
                .put("intermediate_size", FEED_FORWARD)
                .put("vocab_size", VOCABULARY)
                .put("max_position_embeddings", CONTEXT)
                .put("hidden_act", "silu")
                .put("rms_norm_eps", 1e-5)
                .put("rope_theta", 10000.0)
                .putNull("rope_scaling")
                .put("attention_bias", false)
                .put("mlp_bias", false)
                .put("tie_word_embeddings", false)
                .put("bos_token_id", END_OF_TEXT)
                .put("eos_token_id", MESSAGE_END)
                .put("torch_dtype", "float32");
    }

    private static Map<String, SafetensorsWriter.Content> tensors(long seed) {
        var random = new Random(seed);
        Map<String, SafetensorsWriter.Content> tensors = new LinkedHashMap<>();
        tensors.put("model.embed_tokens.weight", matrix(random, VOCABULARY, HIDDEN));
        for (int layer = 0; layer < LAYERS; layer++) {
            String prefix = "model.layers." + layer + ".";
            tensors.put(prefix + "input_layernorm.weight", norm(random));
            tensors.put(
                    prefix + "self_attn.q_proj.weight", matrix(random, HEADS * HEAD_DIM, HIDDEN));
            tensors.put(
                    prefix + "self_attn.k_proj.weight",
                    matrix(random, KV_HEADS * HEAD_DIM, HIDDEN));
            tensors.put(
                    prefix + "self_attn.v_proj.weight",
                    matrix(random, KV_HEADS * HEAD_DIM, HIDDEN));
            tensors.put(
                    prefix + "self_attn.o_proj.weight", matrix(random, HIDDEN, HEADS * HEAD_DIM));
            tensors.put(prefix + "post_attention_layernorm.weight", norm(random));
            tensors.put(prefix + "mlp.gate_proj.weight", matrix(random, FEED_FORWARD, HIDDEN));
            tensors.put(prefix + "mlp.up_proj.weight", matrix(random, FEED_FORWARD, HIDDEN));
            tensors.put(prefix + "mlp.down_proj.weight", matrix(random, HIDDEN, FEED_FORWARD));
        }
        tensors.put("model.norm.weight", norm(random));
        tensors.put("lm_head.weight", matrix(random, VOCABULARY, HIDDEN));
        return tensors;
    }

    /// Returns values of deviation 0.1: large enough that layers change the result, small enough to
    /// remain moderate.
    private static SafetensorsWriter.Content matrix(Random random, int rows, int columns) {
        return content(random, List.of((long) rows, (long) columns), 0);
    }

    private static SafetensorsWriter.Content norm(Random random) {
        return content(random, List.of((long) HIDDEN), 1);
    }

    private static SafetensorsWriter.Content content(Random random, List<Long> shape, double mean) {
        float[] values =
                new float
                        [(int)
                                shape.stream()
                                        .mapToLong(Long::longValue)
                                        .reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (mean + 0.1 * random.nextGaussian());
        }
        return SafetensorsWriter.Content.f32(shape, values);
    }
}

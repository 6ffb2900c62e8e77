// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Checkpoints of several modalities, of which the text is read: configurations as their authors
/// published them, with other sizes.
class TextOfModalitiesTest {
    @TempDir Path folder;

    @Test
    void gemma3PublishesWhatDiffersFromTheDefaults() throws IOException {
        Checkpoint checkpoint =
                open(
                        """
                        {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
                         "boi_token_index": 255999, "eos_token_id": [1, 106], "mm_tokens_per_image": 256,
                         "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
                           "model_type": "gemma3_text", "num_hidden_layers": 12,
                           "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                           "sliding_window": 1024},
                         "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model"}}""",
                        "language_model.model.embed_tokens.weight",
                        "vision_tower.vision_model.embeddings.patch_embedding.weight",
                        "multi_modal_projector.mm_input_projection_weight");
        ModelConfig config = checkpoint.config();
        assertEquals("Gemma3ForCausalLM", checkpoint.architecture());
        assertEquals("Gemma3ForCausalLM", config.architecture());
        assertEquals(2560, config.hiddenSize());
        assertEquals(262_208, config.vocabularySize());
        assertEquals(new AttentionConfig(8, 4, 256, false), config.attention());
        assertEquals(131_072, config.contextLength());
        assertEquals(1e-6, config.normEpsilon());
        assertEquals(new RopeConfig(1e6, 256, new RopeScaling.Linear(8)), config.rope());
        assertEquals(new RopeConfig(1e4, 256, new RopeScaling.None()), config.windowRope());
        assertEquals(OptionalDouble.of(1 / 16.0), config.details().attentionScale());
        assertEquals("gelu_pytorch_tanh", config.details().activation());
        assertEquals(1024, config.window(4).orElseThrow());
        assertTrue(config.window(5).isEmpty());
        assertTrue(config.tiedEmbeddings());
        assertEquals(List.of(1, 106), config.specialIds().eos());
        assertEquals(Set.of("model.embed_tokens.weight"), checkpoint.tensorNames());
        assertEquals(
                Optional.of(
                        "the text of Gemma3ForConditionalGeneration alone; tensors that stay on disk: multi_modal_projector 1, vision_tower 1"),
                checkpoint.otherModalities());
    }

    @Test
    void aFlatConfigurationOfQwenHasSectionsOfItsRope() throws IOException {
        Checkpoint checkpoint =
                open(
                        """
                        {"architectures": ["Qwen2_5_VLForConditionalGeneration"],
                         "model_type": "qwen2_5_vl", "hidden_size": 64, "num_hidden_layers": 2,
                         "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
                         "vocab_size": 100, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
                         "rope_theta": 1000000.0, "sliding_window": 32768, "use_sliding_window": false,
                         "tie_word_embeddings": true, "vision_config": {"depth": 32},
                         "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}}""",
                        "model.embed_tokens.weight",
                        "visual.patch_embed.proj.weight");
        assertEquals("Qwen2ForCausalLM", checkpoint.architecture());
        assertEquals(new RopeConfig(1e6, 16, new RopeScaling.None()), checkpoint.config().rope());
        assertTrue(checkpoint.config().window(1).isEmpty());
        assertEquals(Set.of("model.embed_tokens.weight"), checkpoint.tensorNames());
    }

    @Test
    void qwen35HasSectionsOfThePartThatIsRotated() throws IOException {
        Checkpoint checkpoint =
                open(
                        """
                        {"architectures": ["Qwen3_5MoeForConditionalGeneration"],
                         "image_token_id": 248056, "model_type": "qwen3_5_moe",
                         "text_config": {"attention_bias": false, "attention_dropout": 0.0,
                           "attn_output_gate": true, "dtype": "bfloat16", "eos_token_id": 248044,
                           "full_attention_interval": 4, "head_dim": 256, "hidden_act": "silu",
                           "hidden_size": 2048, "layer_types": ["linear_attention",
                             "linear_attention", "linear_attention", "full_attention"],
                           "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
                           "linear_num_key_heads": 16, "linear_num_value_heads": 32,
                           "linear_value_head_dim": 128, "max_position_embeddings": 262144,
                           "mlp_only_layers": [], "model_type": "qwen3_5_moe_text",
                           "moe_intermediate_size": 512, "mtp_num_hidden_layers": 1,
                           "mtp_use_dedicated_embeddings": false, "num_attention_heads": 16,
                           "num_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 4,
                           "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
                           "router_aux_loss_coef": 0.001, "shared_expert_intermediate_size": 512,
                           "use_cache": true, "vocab_size": 248320, "mamba_ssm_dtype": "float32",
                           "rope_parameters": {"mrope_interleaved": true,
                             "mrope_section": [11, 11, 10], "rope_type": "default",
                             "rope_theta": 10000000, "partial_rotary_factor": 0.25}},
                         "tie_word_embeddings": false, "video_token_id": 248057,
                         "vision_config": {"depth": 27, "hidden_size": 1152}}""",
                        "model.language_model.embed_tokens.weight",
                        "model.visual.pos_embed.weight",
                        "lm_head.weight",
                        "mtp.fc.weight");
        ModelConfig config = checkpoint.config();
        assertEquals("Qwen3_5MoeForCausalLM", checkpoint.architecture());
        assertEquals(new RopeConfig(1e7, 64, new RopeScaling.None()), config.rope());
        assertEquals(new AttentionConfig(16, 2, 256, false), config.attention());
        assertEquals(512, config.details().experts().orElseThrow().sharedSize());
        assertEquals(
                List.of(List.of(3), List.of(0, 1, 2)),
                config.kvGroups().stream().map(KvGroup::layers).toList());
        assertEquals(List.of(248_044), config.specialIds().eos());
        assertEquals(
                Optional.of(
                        "the text of Qwen3_5MoeForConditionalGeneration alone; tensors that stay on disk: visual 1"),
                checkpoint.otherModalities());
    }

    @ParameterizedTest
    @CsvSource({
        "model.language_model.layers.0.mlp.up_proj.weight, model.layers.0.mlp.up_proj.weight",
        "language_model.model.layers.0.mlp.up_proj.weight, model.layers.0.mlp.up_proj.weight",
        "model.text_model.layers.0.mlp.up_proj.weight, model.layers.0.mlp.up_proj.weight",
        "language_model.lm_head.weight, lm_head.weight",
        "lm_head.weight, lm_head.weight",
        "model.visual.blocks.0.norm1.weight,",
        "model.vision_tower.encoder.layers.0.weight,",
        "model.multi_modal_projector.linear_1.bias,",
        "model.connector.modality_projection.proj.weight,",
        "audio_tower.conv1.weight,",
        "image_newline,",
        "unheard_of.weight, unheard_of.weight"
    })
    void everyLayoutOfNamesIsRead(String stored, String read) throws IOException {
        String config =
                """
                {"architectures": ["Mistral3ForConditionalGeneration"],
                 "text_config": {"model_type": "mistral"}}""";
        assertEquals(
                read == null ? Set.of() : Set.of(read), openFiles(config, stored).tensorNames());
    }

    @Test
    void aFaultIsNamedWithItsWholePath() throws IOException {
        Path file = folder.resolve("config.json");
        Checkpoint checkpoint =
                openFiles(
                        """
                        {"architectures": ["Mistral3ForConditionalGeneration"],
                         "text_config": {"model_type": "mistral", "num_key_value_heads": 7}}""");
        Refused.naming(
                checkpoint::config,
                file
                        + ": text_config.num_key_value_heads is 7, expected a divisor of the 32 heads");
        Refused.naming(
                () ->
                        openFiles(
                                        """
                                        {"architectures": ["Mistral3ForConditionalGeneration"],
                                         "text_config": {"model_type": "mistral",
                                           "rope_parameters": {"alpha": 3}}}""")
                                .config(),
                "text_config.rope_parameters.alpha is 3, expected none");
        Refused.naming(
                () ->
                        openFiles(
                                        """
                                        {"architectures": ["Mistral3ForConditionalGeneration"],
                                         "quantization_config": {"quant_method": "other"},
                                         "text_config": {"model_type": "mistral"}}""")
                                .config(),
                "quantization_config.quant_method is other");
        Refused.naming(
                () ->
                        openFiles(
                                        """
                                        {"architectures": ["Mistral3ForConditionalGeneration"],
                                         "text_config": 3}""")
                                .config(),
                "text_config is 3, expected an object");
    }

    @Test
    void anUnknownModelOfSeveralModalitiesKeepsItsName() throws IOException {
        Checkpoint checkpoint =
                openFiles(
                        """
                        {"architectures": ["UnknownForConditionalGeneration"],
                         "text_config": {"model_type": "mistral"}}""");
        assertEquals("UnknownForConditionalGeneration", checkpoint.architecture());
        assertEquals(Optional.empty(), checkpoint.otherModalities());
        Refused.naming(checkpoint::config, "text_config belongs to a model of text and images");
        Checkpoint unknownText =
                openFiles(
                        """
                        {"architectures": ["LlavaForConditionalGeneration"],
                         "text_config": {"model_type": "unheard_of"}}""");
        assertEquals("LlavaForConditionalGeneration", unknownText.architecture());
    }

    @Test
    void layersWithoutRopeAndTheScaleOfQueriesAreRead() throws IOException {
        ModelConfig ministral =
                openFiles(
                                """
                                {"architectures": ["Mistral3ForConditionalGeneration"],
                                 "text_config": {"model_type": "ministral3"}}""")
                        .config();
        assertEquals(
                Optional.of(new PositionConfig.QueryScale(0.1, 16_384)),
                ministral.details().positions().queryScale());
        assertEquals(262_144, ministral.maxContextLength());
        PositionConfig.QueryScale scale = ministral.details().positions().queryScale().get();
        assertEquals(1, scale.at(16_383));
        assertEquals((float) (1 + 0.1 * Math.log(2)), scale.at(16_384));
        Refused.naming(
                () -> llama("smollm3", "\"no_rope_layers\": [1]"),
                "no_rope_layers is 1 entries, expected 2, one per layer");
        Refused.naming(
                () -> llama("smollm3", "\"no_rope_layer_interval\": 0"),
                "no_rope_layer_interval is 0, expected a positive number");
        assertEquals(Set.of(0), withoutRope("smollm3", "\"no_rope_layers\": [0, 1, 0]"));
        assertEquals(Set.of(1), withoutRope("smollm3", "\"no_rope_layer_interval\": 2"));
        assertEquals(Set.of(), withoutRope("smollm3", "\"use_cache\": true"));
        assertEquals(Set.of(1), withoutRope("cohere2", "\"sliding_window_pattern\": 2"));
        assertEquals(Set.of(0, 1), withoutRope("cohere2", "\"sliding_window\": null"));
        assertEquals(Set.of(1), withoutRope("exaone4", "\"sliding_window_pattern\": 2"));
        assertEquals(Set.of(), withoutRope("exaone4", "\"sliding_window\": null"));
        assertEquals(Set.of(), withoutRope("llama", "\"no_rope_layers\": [0, 1]"));
    }

    /// The first cell of each line of the table in `docs/models.md`.
    @Test
    void theTableOfModelsHasEveryClass() throws IOException {
        Path page = Path.of("..", "docs", "models.md");
        Set<String> listed =
                Files.readAllLines(page).stream()
                        .dropWhile(line -> !line.equals("| Hugging Face | runs as | recorded |"))
                        .takeWhile(line -> line.startsWith("|"))
                        .map(line -> line.substring(1, line.indexOf('|', 1)))
                        .flatMap(cell -> Pattern.compile("`([^`]+)`").matcher(cell).results())
                        .map(name -> name.group(1))
                        .collect(Collectors.toSet());
        assertEquals(TextConfig.WHOLE, listed);
    }

    private Set<Integer> withoutRope(String type, String more) throws IOException {
        return llama(type, more).details().positions().withoutRope();
    }

    private ModelConfig llama(String type, String more) throws IOException {
        return openFiles(
                        """
                        {"architectures": ["X"], "model_type": "%s", "hidden_size": 64,
                         "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
                         "vocab_size": 100, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, %s}"""
                                .formatted(type, more))
                .config();
    }

    private Checkpoint open(String config, String... tensors) throws IOException {
        openFiles(config, tensors);
        return Checkpoint.open(folder);
    }

    private Checkpoint openFiles(String config, String... tensors) throws IOException {
        Files.deleteIfExists(folder.resolve("model.safetensors"));
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        for (String tensor : tensors) {
            shapes.put(tensor, List.of(2L, 4L));
        }
        TinyCheckpoint.write(folder, 1, config, shapes);
        return Checkpoint.openFiles(folder);
    }
}

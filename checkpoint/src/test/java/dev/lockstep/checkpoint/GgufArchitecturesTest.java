// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What GGUF files of mixtures and hybrids say by rules of their architecture, and what they may
/// not say.
class GgufArchitecturesTest {
    @TempDir Path folder;

    @Test
    void layersWithoutARouterAreDense() throws IOException {
        ModelConfig config = open(glm().number("glm4moe.expert_gating_func", 2)).config();
        ExpertConfig experts = config.details().experts().orElseThrow();
        assertEquals(Set.of(0), experts.dense().layers());
        assertEquals(96, experts.dense().size());
        assertEquals(32, config.feedForwardSize());
        assertEquals(48, experts.sharedSize());
        assertEquals(ExpertConfig.Score.SIGMOID, experts.score());
        assertEquals(1.5, experts.scale());
        assertFalse(experts.renormalized());
    }

    @Test
    void blocksThatPredictFurtherTokensAreNoLayers() throws IOException {
        assertEquals(
                1, open(glm().number("glm4moe.nextn_predict_layers", 1)).config().layerCount());
        refuse(
                glm().number("glm4moe.nextn_predict_layers", 2),
                "glm4moe.nextn_predict_layers is 2",
                "less than the 2 blocks");
    }

    @Test
    void anotherScoreOfExpertsIsRefused() throws IOException {
        refuse(
                glm().number("glm4moe.expert_gating_func", 1),
                "glm4moe.expert_gating_func is 1",
                "expected 2");
    }

    @Test
    void theDirectionOfAttentionIsThatOfTheArchitecture() throws IOException {
        refuse(
                GgufBytes.llama().flag("llama.attention.causal", false).llamaTensors(),
                "llama.attention.causal is false",
                "expected true in the architecture llama");
        refuse(
                bert().flag("bert.attention.causal", true),
                "bert.attention.causal is true",
                "expected false in the architecture bert");
        assertEquals(
                Optional.of(new EncoderConfig(2, 0)),
                open(bert().flag("bert.attention.causal", false)).config().details().encoder());
    }

    @Test
    void linearLayersAfterPoolingAreTensors() throws IOException {
        GgufBytes bytes =
                bert().number("bert.pooling_type", 1)
                        .tensor("dense_2.weight", 0, 64, 96)
                        .tensor("dense_3.weight", 0, 96, 32);
        var vectors = (SentenceModel.Vectors) open(bytes).sentenceModel().output();
        assertEquals(SentencePooling.MEAN, vectors.pooling());
        assertEquals(
                List.of(96, 32), vectors.dense().stream().map(SentenceDense::outputs).toList());
        assertEquals(List.of(64, 96), vectors.dense().stream().map(SentenceDense::inputs).toList());
    }

    @Test
    void quantizedLinearLayersAfterPoolingAreRefused() throws IOException {
        Checkpoint checkpoint =
                open(bert().number("bert.pooling_type", 1).tensor("dense_2.weight", 3, 64, 96));
        Refused.naming(
                checkpoint::sentenceModel,
                "tensor dense_2.weight is quantized, what follows pooling must be F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0");
    }

    @Test
    void aHeadWithoutThePoolerOfBertIsRefused() throws IOException {
        Checkpoint checkpoint =
                open(bert().tensor("cls.output.weight", 0, 64, 1).tensor("cls.output.bias", 0, 1));
        Refused.naming(
                checkpoint::sentenceModel, "tensor cls.weight is missing", "the pooler of BERT");
    }

    private static GgufBytes reranker(String... labels) {
        return GgufBytes.llama()
                .number("llama.pooling_type", 4)
                .texts("llama.classifier.output_labels", List.of(labels));
    }

    @Test
    void aDecoderRanksByTheRowsOfYesAndNo() throws IOException {
        GgufBytes bytes =
                reranker("yes", "no")
                        .text("tokenizer.chat_template.rerank", "{query} or {document}")
                        .llamaTensors()
                        .tensor("cls.output.weight", 8, 64, 2);
        Checkpoint checkpoint = open(bytes);
        var score = (SentenceModel.Score) checkpoint.sentenceModel().output();
        assertEquals(SentencePooling.LAST, score.pooling());
        assertEquals(new PairForm.Template("{query} or {document}"), score.form());
        assertEquals(64, score.weight().length);
        assertFalse(checkpoint.hasOutputHead());
        Refused.naming(
                open(
                                reranker("LABEL_0", "LABEL_1")
                                        .llamaTensors()
                                        .tensor("cls.output.weight", 0, 64, 2))
                        ::sentenceModel,
                "cls.output.weight is [2, 64] with the labels [LABEL_0, LABEL_1]");
        Refused.naming(
                open(
                                reranker("yes", "no")
                                        .text("tokenizer.chat_template.rerank", "{query}")
                                        .llamaTensors()
                                        .tensor("cls.output.weight", 0, 64, 2))
                        ::sentenceModel,
                "tokenizer.chat_template.rerank is {query}");
    }

    private static GgufBytes bert() {
        return new GgufBytes(3)
                .text("general.architecture", "bert")
                .number("bert.block_count", 1)
                .number("bert.context_length", 32)
                .number("bert.embedding_length", 64)
                .number("bert.feed_forward_length", 96)
                .number("bert.attention.head_count", 4)
                .real("bert.attention.layer_norm_epsilon", 1e-12f)
                .tensor("token_embd.weight", 0, 64, 256)
                .tensor("token_types.weight", 0, 64, 2);
    }

    @Test
    void keysOfAnotherArchitectureAreRefused() throws IOException {
        for (String key : new String[] {"attention.key_length_mla", "ssm.state_size"}) {
            refuse(glm().number("glm4moe." + key, 8), "glm4moe." + key, "absent");
        }
    }

    @Test
    void sizesOfLatentAttentionHaveNamesOfTheirOwnOrThoseOfOtherModels() throws IOException {
        GgufBytes older =
                deepSeek()
                        .number("deepseek2.attention.key_length", 24)
                        .number("deepseek2.attention.value_length", 20);
        var latent = new LatentConfig(0, 32, 16, 8, 20, true);
        assertEquals(latent, open(older).config().attention().latent().orElseThrow());
        GgufBytes newer =
                deepSeek()
                        .number("deepseek2.attention.key_length", 40)
                        .number("deepseek2.attention.value_length", 32)
                        .number("deepseek2.attention.key_length_mla", 24)
                        .number("deepseek2.attention.value_length_mla", 20);
        assertEquals(latent, open(newer).config().attention().latent().orElseThrow());
    }

    @Test
    void yarnOfLatentAttentionNeedsItsMultiplier() throws IOException {
        String name = "deepseek2.rope.scaling.";
        GgufBytes yarn =
                deepSeek()
                        .number("deepseek2.attention.key_length", 24)
                        .number("deepseek2.attention.value_length", 20)
                        .text(name + "type", "yarn")
                        .real(name + "factor", 4);
        refuse(yarn, name + "yarn_log_multiplier is missing");
        ModelConfig config = open(yarn.real(name + "yarn_log_multiplier", 0.1f)).config();
        double m = 0.1 * Math.log(4) + 1;
        assertEquals(m * m / Math.sqrt(24), config.details().attentionScale().orElseThrow(), 1e-12);
    }

    @Test
    void aSoftmaxOfExpertsThatIsScaledAgainIsRefusedInDeepSeek() throws IOException {
        GgufBytes bytes =
                deepSeek()
                        .number("deepseek2.attention.key_length", 24)
                        .number("deepseek2.attention.value_length", 20)
                        .number("deepseek2.expert_count", 4)
                        .number("deepseek2.expert_used_count", 2)
                        .flag("deepseek2.expert_weights_norm", true);
        refuse(bytes, "deepseek2.expert_weights_norm is true", "false beside a softmax");
    }

    @Test
    void activationParametersOfMetadataAreTensorsButInARewrittenFile() throws IOException {
        GgufBytes bytes = new GgufBytes(3).text("general.architecture", "apertus");
        for (String name : new String[] {"alpha_n", "alpha_p", "beta", "eps"}) {
            bytes.reals("xielu." + name, List.of(0.5f, 0.25f));
        }
        Path file = write(bytes.tensor("token_embd.weight", 0, 64, 256));
        GgufMetadata metadata = GgufFile.open(file).metadata();
        Map<String, StoredTensor> tensors = XieluTensors.of(metadata, "apertus");
        assertEquals(8, tensors.size());
        assertEquals(
                0.25f,
                Objects.requireNonNull(tensors.get("model.layers.1.mlp.act_fn.alpha_p"))
                        .weight("alpha")
                        .floats(0, 1)[0]);
        assertEquals(Map.of(), XieluTensors.of(metadata, "llama"));
        Path target = folder.resolve("target.gguf");
        try (GgufRewrite rewrite = GgufRewrite.open(file, target, _ -> Optional.empty(), 1, "a")) {
            rewrite.copy(0);
            rewrite.finish();
        }
        GgufFile written = GgufFile.open(target);
        assertEquals(Set.of("token_embd.weight"), written.tensors().keySet());
        assertEquals(8, XieluTensors.of(written.metadata(), "apertus").size());
    }

    private static GgufBytes glm() {
        return new GgufBytes(3)
                .text("general.architecture", "glm4moe")
                .number("glm4moe.block_count", 2)
                .number("glm4moe.embedding_length", 64)
                .number("glm4moe.context_length", 128)
                .number("glm4moe.feed_forward_length", 96)
                .number("glm4moe.expert_feed_forward_length", 32)
                .number("glm4moe.attention.head_count", 4)
                .number("glm4moe.expert_count", 4)
                .number("glm4moe.expert_used_count", 2)
                .real("glm4moe.expert_weights_scale", 1.5f)
                .real("glm4moe.attention.layer_norm_rms_epsilon", 1e-5f)
                .tensor("token_embd.weight", 0, 64, 256)
                .tensor("blk.1.ffn_gate_inp.weight", 0, 64, 4)
                .tensor("blk.1.ffn_up_shexp.weight", 0, 64, 48);
    }

    private static GgufBytes deepSeek() {
        return new GgufBytes(3)
                .text("general.architecture", "deepseek2")
                .number("deepseek2.block_count", 1)
                .number("deepseek2.embedding_length", 64)
                .number("deepseek2.context_length", 128)
                .number("deepseek2.feed_forward_length", 96)
                .number("deepseek2.attention.head_count", 4)
                .number("deepseek2.attention.kv_lora_rank", 32)
                .number("deepseek2.rope.dimension_count", 8)
                .real("deepseek2.attention.layer_norm_rms_epsilon", 1e-5f)
                .tensor("token_embd.weight", 0, 64, 256);
    }

    private void refuse(GgufBytes bytes, String... words) throws IOException {
        Path file = write(bytes);
        Refused.naming(() -> Checkpoint.open(file), words);
    }

    private Checkpoint open(GgufBytes bytes) throws IOException {
        return Checkpoint.open(write(bytes));
    }

    private Path write(GgufBytes bytes) throws IOException {
        return Files.write(folder.resolve("m.gguf"), bytes.build());
    }
}

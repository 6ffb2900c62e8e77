// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests of the sentence-transformers files of a folder.
final class SentenceModelTest {
    @TempDir private Path folder;

    @BeforeEach
    void writeModel() throws IOException {
        TinyCheckpoint.write(folder, 1);
    }

    private void write(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text.replace('\'', '"'));
    }

    /// Writes modules of these kinds, in folders of their numbers.
    private void writeModules(String... kinds) throws IOException {
        var modules =
                new StringBuilder(
                        "[{'idx':0,'path':'','type':'sentence_transformers.models.Transformer'}");
        for (int i = 0; i < kinds.length; i++) {
            modules.append(
                    ",{'path':'%d_%s','type':'sentence_transformers.models.%s'}"
                            .formatted(i + 1, kinds[i], kinds[i]));
        }
        write("modules.json", modules + "]");
    }

    private SentenceModel read() {
        return Checkpoint.open(folder).sentenceModel();
    }

    private SentenceModel.Vectors vectors() {
        return assertInstanceOf(SentenceModel.Vectors.class, read().output());
    }

    private void assertRefused(String... words) {
        CheckpointException refusal = assertThrows(CheckpointException.class, this::read);
        String line = String.valueOf(refusal.getMessage());
        for (String word : words) {
            assertTrue(line.contains(word), () -> "no \"" + word + "\" in: " + line);
        }
        assertTrue(line.contains(folder.toString()), line);
    }

    @Test
    void aFolderWithoutFilesHasTheNormalizedVectorOfTheLastToken() {
        assertEquals(SentenceModel.NONE, read());
        assertEquals(SentencePooling.LAST, vectors().pooling());
        assertTrue(vectors().normalize());
    }

    @ParameterizedTest
    @CsvSource({
        "pooling_mode_cls_token, CLS",
        "pooling_mode_max_tokens, MAX",
        "pooling_mode_mean_tokens, MEAN",
        "pooling_mode_mean_sqrt_len_tokens, MEAN_SQRT_LENGTH",
        "pooling_mode_weightedmean_tokens, WEIGHTED_MEAN",
        "pooling_mode_lasttoken, LAST"
    })
    void bothFormsOfAPoolingAreRead(String flag, SentencePooling pooling) throws IOException {
        writeModules("Pooling");
        write("1_Pooling/config.json", "{'word_embedding_dimension':64,'" + flag + "':true}");
        assertEquals(pooling, vectors().pooling());
        assertTrue(vectors().includePrompt());
        assertFalse(vectors().normalize());
        write(
                "1_Pooling/config.json",
                "{'pooling_mode':'" + pooling.mode() + "','include_prompt':false}");
        assertEquals(pooling, vectors().pooling());
        assertFalse(vectors().includePrompt());
    }

    @Test
    void promptsLimitsAndSimilarityAreRead() throws IOException {
        writeModules("Pooling", "Normalize");
        write("1_Pooling/config.json", "{'pooling_mode':'mean'}");
        write(
                "config_sentence_transformers.json",
                "{'prompts':{'query':'q: ','document':''},'default_prompt_name':'query','similarity_fn_name':'dot'}");
        write("sentence_bert_config.json", "{'max_seq_length':32,'do_lower_case':true}");
        SentenceModel model = read();
        assertEquals(Map.of("query", "q: ", "document", ""), model.prompts());
        assertEquals(Optional.of("query"), model.defaultPrompt());
        assertEquals(OptionalInt.of(32), model.maxLength());
        assertTrue(model.lowerCase());
        assertTrue(vectors().normalize());
        assertEquals(SentenceSimilarity.DOT, vectors().similarity());
    }

    @Test
    void linearLayersAreAppliedInOrder() throws IOException {
        writeModules("Pooling", "Dense", "Normalize");
        write("1_Pooling/config.json", "{'pooling_mode':'mean'}");
        String config =
                "{'in_features':64,'out_features':2,'bias':true,'activation_function':'torch.nn.modules.activation.Tanh'}";
        write("2_Dense/config.json", config);
        assertRefused("2_Dense", "model.safetensors is missing");
        TinyCheckpoint.write(
                folder.resolve("2_Dense"),
                7,
                config.replace('\'', '"'),
                Map.of("linear.weight", List.of(2L, 64L), "linear.bias", List.of(2L)));
        SentenceDense layer = vectors().dense().getFirst();
        assertEquals(2, read().dimensions(64));
        float[] x = new float[64];
        x[3] = 2;
        double first = 2.0 * layer.weight()[3] + layer.bias()[0];
        double second = 2.0 * layer.weight()[64 + 3] + layer.bias()[1];
        assertArrayEquals(
                new float[] {(float) Math.tanh(first), (float) Math.tanh(second)}, layer.apply(x));
        write("2_Dense/config.json", config.replace("64", "32"));
        assertRefused("in_features is 32", "64");
        write("2_Dense/config.json", config.replace("'out_features':2", "'out_features':3"));
        assertRefused("linear.weight is [2, 64], config.json needs [3, 64]");
        write("2_Dense/config.json", config.replace("Tanh", "Mish"));
        assertRefused("activation_function is torch.nn.modules.activation.Mish");
    }

    @Test
    void theScoreOfTokensIsTheDifferenceOfTheirRows() throws IOException {
        writeModules("LogitScore");
        write("1_LogitScore/config.json", "{'true_token_id':5,'false_token_id':9}");
        Checkpoint checkpoint = Checkpoint.open(folder);
        float[] head = checkpoint.tensor("lm_head.weight").floats(0, 10 * 64);
        var score = assertInstanceOf(SentenceModel.Score.class, read().output());
        float[] state = new float[64];
        state[1] = 1;
        double logit = (double) head[5 * 64 + 1] - head[9 * 64 + 1];
        assertEquals(1 / (1 + Math.exp(-logit)), score.of(state), 1e-6);
        assertEquals(new PairForm.TokenizerRule(), score.form());
        write("1_LogitScore/config.json", "{'true_token_id':512}");
        assertRefused("true_token_id is 512", "below 512");
        write("1_LogitScore/config.json", "{'false_token_id':1}");
        assertRefused("true_token_id is missing");
    }

    private static float[] one(int component) {
        float[] state = new float[64];
        state[component] = 1;
        return state;
    }

    private SentenceModel.Score score() {
        return assertInstanceOf(SentenceModel.Score.class, read().output());
    }

    /// Asserts that the score is the probability of a token against another.
    private void assertScores(String token, String other) {
        Checkpoint checkpoint = Checkpoint.open(folder);
        float[] head = checkpoint.tensor("lm_head.weight").floats(0, 512 * 64);
        int first = checkpoint.tokenizer().idOf(token).getAsInt();
        int second = checkpoint.tokenizer().idOf(other).getAsInt();
        double logit = (double) head[first * 64 + 7] - head[second * 64 + 7];
        assertEquals(1 / (1 + Math.exp(-logit)), score().of(one(7)), 1e-6);
    }

    @Test
    void aFileBesideTheModelNamesTokensTemplateAndInstruction() throws IOException {
        String tokens = "'classifier_from_token':['a','b']";
        write(
                "reranker.json",
                "{" + tokens + ",'template':'{instruction}|{query}|{document}','instruction':'i'}");
        assertScores("b", "a");
        assertEquals(Map.of("instruction", "i"), read().prompts());
        assertEquals(Optional.of("instruction"), read().defaultPrompt());
        var form = assertInstanceOf(PairForm.Template.class, score().form());
        assertEquals("i|{document}$1|d", form.of("i", "{document}$1", "d"));
        assertTrue(form.hasInstruction());
        write("reranker.json", "{" + tokens + ",'template':'{query}'}");
        assertRefused("template is {query}", "{query} and {document}");
        write("reranker.json", "{" + tokens + ",'template':'{query}{document}','instruction':'i'}");
        assertRefused("template is {query}{document}", "a text with {instruction}");
        write("reranker.json", "{" + tokens + "}");
        assertRefused("template is missing");
        write("reranker.json", "{'template':'{query}{document}'}");
        assertRefused("classifier_from_token is []");
        write("reranker.json", "{'classifier_from_token':['å?'],'template':'{query}{document}'}");
        assertRefused("classifier_from_token is å?", "no token of the tokenizer");
    }

    @Test
    void qwen3RerankerHasTheTextOfItsModelCard() {
        assertEquals(
                "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the"
                        + " Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n"
                        + "<|im_start|>user\n<Instruct>: i\n<Query>: q\n<Document>: d<|im_end|>\n"
                        + "<|im_start|>assistant\n<think>\n\n</think>\n\n",
                RerankerFile.QWEN3.template().of("i", "q", "d"));
        Refused.naming(
                () -> RerankerFile.read(folder.resolve("qwen")), "qwen does not exist", "or qwen3");
    }

    @Test
    void aConfigurationNamesTheTokensOfAClassifier() throws IOException {
        String config = Files.readString(folder.resolve("config.json")).strip();
        String keys = config.substring(0, config.length() - 1);
        write("config.json", keys + ",'classifier_from_token':['a','b']}");
        assertScores("b", "a");
        assertEquals(new PairForm.TokenizerRule(), score().form());
        Files.writeString(
                folder.resolve("chat_template.jinja"),
                "{{ messages | selectattr('role', 'eq', 'query') }} {{ messages | selectattr('role', 'eq', \"document\") }}");
        assertEquals(new PairForm.Chat(), score().form());
        write(
                "config.json",
                keys + ",'classifier_from_token':['b'],'method':'no_post_processing'}");
        Checkpoint checkpoint = Checkpoint.open(folder);
        int id = checkpoint.tokenizer().idOf("b").getAsInt();
        float row = checkpoint.tensor("lm_head.weight").part(id, 1).floats(7, 1)[0];
        assertEquals(1 / (1 + Math.exp(-row)), score().of(one(7)), 1e-6);
        write(
                "config.json",
                keys + ",'classifier_from_token':['b'],'method':'from_2_way_softmax'}");
        assertRefused("method is from_2_way_softmax", "no_post_processing");
        write(
                "config.json",
                keys + ",'classifier_from_token':['a','b'],'is_original_qwen3_reranker':true}");
        assertRefused("classifier_from_token is yes", "no token");
    }

    @ParameterizedTest
    @CsvSource({"0, LAST", "1, MEAN", "2, CLS", "3, LAST"})
    void aGgufFileNamesItsPooling(int type, SentencePooling pooling) throws IOException {
        Path file = folder.resolve("m.gguf");
        GgufBytes model = GgufBytes.llama().number("llama.pooling_type", type);
        Files.write(file, model.llamaTensors().build());
        SentenceModel read = Checkpoint.open(file).sentenceModel();
        assertEquals(SentenceModel.Vectors.of(pooling), read.output());
        GgufBytes ranking = GgufBytes.llama().number("llama.pooling_type", 4);
        Files.write(file, ranking.llamaTensors().build());
        CheckpointException refusal =
                assertThrows(
                        CheckpointException.class, () -> Checkpoint.open(file).sentenceModel());
        assertTrue(String.valueOf(refusal.getMessage()).contains("llama.pooling_type is 4"));
    }

    @Test
    void whatIsNotSupportedIsRefusedByName() throws IOException {
        writeModules("Pooling");
        write("1_Pooling/config.json", "{'pooling_mode':['mean','max']}");
        assertRefused("pooling_mode is mean with max");
        write("1_Pooling/config.json", "{'pooling_mode':'median'}");
        assertRefused("pooling_mode is median");
        write("1_Pooling/config.json", "{'pooling_mode':'cls'}");
        write("config_sentence_transformers.json", "{'prompts':{},'default_prompt_name':'query'}");
        assertRefused("default_prompt_name is query");
        write("config_sentence_transformers.json", "{'similarity_fn_name':'hamming'}");
        assertRefused("similarity_fn_name is hamming");
        write("config_sentence_transformers.json", "{}");
        write("sentence_bert_config.json", "{'max_seq_length':0}");
        assertRefused("max_seq_length is 0");
        write("sentence_bert_config.json", "{'modality_config':{'message':{'format':'flat'}}}");
        assertRefused("modality_config.message");
        write("sentence_bert_config.json", "{}");
        writeModules("Pooling", "LayerNorm");
        assertRefused("LayerNorm after Pooling");
        writeModules("Pooling", "Normalize", "Dense");
        assertRefused("Dense after Normalize");
        writeModules();
        assertRefused("a Pooling module must follow");
        writeModules("WordEmbeddings");
        assertRefused("WordEmbeddings after Transformer");
        write("modules.json", "[{'path':'','type':'custom_code.Transformer'}]");
        assertRefused("type is custom_code.Transformer");
        write(
                "modules.json",
                "[{'path':'','type':'sentence_transformers.models.Transformer'},{'path':'../x','type':'sentence_transformers.models.Pooling'}]");
        assertRefused("path is ../x");
    }
}

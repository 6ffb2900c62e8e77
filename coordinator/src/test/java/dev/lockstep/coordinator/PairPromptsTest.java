// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.Pooling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Tests of the prompts of a decoder that scores by the hidden state of their last token, joined by
/// the tokenizer's rule for pairs.
final class PairPromptsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// Returns a model whose tokenizer joins two texts by a template of this form.
    private static ServedModel model(String pair) throws IOException {
        return TestCoordinator.tinyModel(folder -> write(folder, pair), TextSettings.OF_MODEL);
    }

    private static void write(Path folder, String pair) throws IOException {
        Files.writeString(
                folder.resolve("modules.json"),
                json(
                        "[{'path':'','type':'sentence_transformers.models.Transformer'},"
                                + "{'path':'1_LogitScore','type':'sentence_transformers.cross_encoder.LogitScore'}]"));
        Path score = Files.createDirectories(folder.resolve("1_LogitScore"));
        Files.writeString(score.resolve("config.json"), json("{'true_token_id':5}"));
        Path tokenizer = folder.resolve("tokenizer.json");
        var root = (ObjectNode) JSON.readTree(tokenizer.toFile());
        root.set(
                "post_processor",
                JSON.readTree(
                        json(
                                "{'type':'TemplateProcessing','single':[{'Sequence':{'id':'A','type_id':0}}],'pair':["
                                        + pair
                                        + "],'special_tokens':{'start':{'id':'start','ids':[1],'tokens':['<|im_start|>']}}}")));
        Files.writeString(tokenizer, JSON.writeValueAsString(root));
    }

    private static String json(String text) {
        return text.replace('\'', '"');
    }

    private static String text(String id) {
        return "{'Sequence':{'id':'" + id + "','type_id':0}}";
    }

    private static String token() {
        return "{'SpecialToken':{'id':'start','type_id':0}}";
    }

    private static TokenPrompt prompt(ServedModel model) {
        return prompt(model, Json.object());
    }

    private static TokenPrompt prompt(ServedModel model, ObjectNode request) {
        var head = (SentenceModel.Score) model.sentence().output();
        return PairPrompts.parse(new Fields(request), model, head)
                .of("a cat", "documents[0]", "it sleeps", Pooling.POOLING_LAST);
    }

    @Test
    void tokensBeforeAndBetweenTheTextsAreThoseOfTheTokenizer() throws Exception {
        ServedModel model = model(String.join(",", token(), text("A"), token(), text("B")));
        int[] expected =
                Stream.of(
                                new int[] {1},
                                model.encode("query", "a cat", false),
                                new int[] {1},
                                model.encode("document", "it sleeps", false))
                        .flatMapToInt(IntStream::of)
                        .toArray();
        TokenPrompt prompt = prompt(model);
        assertArrayEquals(expected, prompt.ids());
        assertEquals(expected.length - 1, prompt.outputs().from());
        assertEquals(0, prompt.outputs().secondText());
    }

    /// @param fields what the file has besides tokens
    private static ServedModel described(String fields) throws IOException {
        return TestCoordinator.tinyModel(
                folder ->
                        Files.writeString(
                                folder.resolve("reranker.json"),
                                json("{'classifier_from_token':['a','b']," + fields + "}")),
                TextSettings.OF_MODEL);
    }

    @Test
    void aTemplateOfItsOwnHasPlacesForInstructionQueryAndDocument() throws Exception {
        ServedModel model =
                described(
                        "'instruction':'Find it.','template':'<|im_start|>{instruction} Q: {query} D: {document}<|im_end|>'");
        TokenPrompt prompt = prompt(model);
        assertArrayEquals(
                model.encode(
                        "query", "<|im_start|>Find it. Q: a cat D: it sleeps<|im_end|>", false),
                prompt.ids());
        assertEquals(prompt.ids().length - 1, prompt.outputs().from());
    }

    @Test
    void anInstructionWithoutAPlaceIsRefused() throws Exception {
        ServedModel model = described("'template':'{query} {document}'");
        assertEquals(0, prompt(model).outputs().secondText());
        ObjectNode request = Json.object().put("instruct", "Find it.");
        ApiError refusal = assertThrows(ApiError.class, () -> prompt(model, request));
        assertTrue(
                String.valueOf(refusal.getMessage()).contains("no place for an instruction"),
                refusal.getMessage());
    }

    @Test
    void aPairThatEndsWithOtherTokensThanTheDocumentIsRefused() throws Exception {
        ServedModel model = model(String.join(",", text("A"), text("B"), token()));
        ApiError refusal = assertThrows(ApiError.class, () -> prompt(model));
        assertTrue(
                String.valueOf(refusal.getMessage()).contains("pairs of texts are not served"),
                refusal.getMessage());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PositionOutputs;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of a model that scores a query and a document by the logits of two tokens.
final class RerankerTest {
    private static TestCoordinator tiny;

    /// Every prompt has the hidden state (number of its tokens / 100, 0, 0, …).
    @BeforeAll
    static void start() throws Exception {
        tiny =
                TestCoordinator.start(
                        TestCoordinator.tinyModel(RerankerTest::writeFiles, TextSettings.OF_MODEL));
        tiny.scheduler.behave(
                call -> {
                    PositionOutputs.Builder outputs = PositionOutputs.newBuilder();
                    outputs.addPooled(call.request().getPromptIdsCount() / 100f);
                    for (int i = 1; i < 64; i++) {
                        outputs.addPooled(0);
                    }
                    call.outputs(0, outputs.build());
                    call.finishByLength(0);
                });
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static void writeFiles(Path folder) throws IOException {
        write(
                folder.resolve("modules.json"),
                "[{'path':'','type':'sentence_transformers.base.modules.transformer.Transformer'},"
                        + "{'path':'1_LogitScore','type':'sentence_transformers.cross_encoder.modules.logit_score.LogitScore'}]");
        Files.createDirectories(folder.resolve("1_LogitScore"));
        write(folder.resolve("1_LogitScore/config.json"), "{'true_token_id':5,'false_token_id':9}");
        write(
                folder.resolve("config_sentence_transformers.json"),
                "{'prompts':{'web':'Find it.'},'default_prompt_name':'web','activation_fn':'torch.nn.modules.linear.Identity'}");
        write(
                folder.resolve("sentence_bert_config.json"),
                "{'modality_config':{'text':{},'message':{'format':'flat'}}}");
        Files.writeString(
                folder.resolve("chat_template.jinja"),
                "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[answer]");
    }

    private static void write(Path file, String text) throws IOException {
        Files.writeString(file, text.replace('\'', '"'));
    }

    private static JsonNode post(int status, String path, String fields) throws Exception {
        HttpResponse<String> response =
                tiny.post(path, ("{'model':'tiny'," + fields + "}").replace('\'', '"'));
        assertEquals(status, response.statusCode(), response.body());
        return TestCoordinator.json(response.body());
    }

    private static double score(int tokens) {
        var head = (SentenceModel.Score) tiny.model.sentence().output();
        return (double) head.weight()[0] * (tokens / 100f);
    }

    @Test
    void theTemplateJoinsInstructionQueryAndDocument() throws Exception {
        JsonNode results =
                post(200, "/v1/rerank", "'query':'a cat','documents':['it sleeps']").get("results");
        GenerateRequest sent = tiny.scheduler.nextCall().request();
        assertEquals(
                "[system] Find it.\n[query] a cat\n[document] it sleeps\n[answer]",
                tiny.promptOf(sent));
        assertEquals(Pooling.POOLING_LAST, sent.getOutputs().getPooling());
        assertEquals(0, sent.getMaxTokens());
        assertEquals(
                score(sent.getPromptIdsCount()), results.at("/0/relevance_score").asDouble(), 1e-6);
        post(200, "/v2/rerank", "'query':'a cat','documents':['it sleeps'],'instruct':'Be kind.'");
        assertTrue(tiny.nextPrompt().startsWith("[system] Be kind.\n[query] a cat\n"));
        post(200, "/rerank", "'query':'a cat','documents':['it'],'instruct':''");
        assertTrue(tiny.nextPrompt().startsWith("[query] a cat\n[document] it\n"));
        post(200, "/v1/score", "'text_1':'x','text_2':'y','prompt_name':'web'");
        assertEquals("[system] Find it.\n[query] x\n[document] y\n[answer]", tiny.nextPrompt());
    }

    @Test
    void aRerankerIsShownWithoutEmbeddings() throws Exception {
        JsonNode capabilities = post(200, "/api/show", "'verbose':false").get("capabilities");
        assertTrue(capabilities.toString().contains("completion"), capabilities.toString());
        assertFalse(capabilities.toString().contains("embedding"), capabilities.toString());
    }

    @Test
    void documentsAreCutToTheirFirstTokens() throws Exception {
        String document = tiny.model.decode(new int[] {tiny.ids("it sleeps")[0]}, false);
        String expected = "[system] Find it.\n[query] x\n[document] " + document + "\n[answer]";
        post(200, "/v1/score", "'text_1':'x','text_2':'it sleeps','max_tokens_per_doc':1");
        assertEquals(expected, tiny.nextPrompt());
        post(200, "/v1/rerank", "'query':'x','documents':['it sleeps'],'max_tokens_per_doc':1");
        assertEquals(expected, tiny.nextPrompt());
    }

    @Test
    void fieldsOfEmbeddingsAreRefusedByName() throws Exception {
        for (String field :
                List.of(
                        "'pooling':'mean'",
                        "'normalize':true",
                        "'truncate':'END'",
                        "'truncate_prompt_tokens':3",
                        "'truncation_direction':'Left'",
                        "'add_special_tokens':true",
                        "'prompt_name':'web','instruct':'Be kind.'",
                        "'input_type':'web','instruct':'Be kind.'")) {
            String name = field.substring(1, field.indexOf(':') - 1);
            for (String[] request :
                    List.of(
                            new String[] {"/v1/rerank", "'query':'a','documents':['b'],"},
                            new String[] {"/v1/score", "'text_1':'a','text_2':'b',"})) {
                JsonNode error = post(400, request[0], request[1] + field).get("error");
                assertEquals(name, error.get("param").asText(), error.toString());
            }
        }
        post(
                200,
                "/v1/score",
                "'text_1':'a','text_2':'b','truncate':false,'normalize':null,'pooling':'model'");
        tiny.scheduler.nextCall();
    }

    @Test
    void theMostRelevantDocumentIsFirst() throws Exception {
        JsonNode results =
                post(
                                200,
                                "/v1/rerank",
                                "'query':'a','documents':['b',{'text':'a longer document'},'c d'],'top_n':2")
                        .get("results");
        assertEquals(2, results.size());
        double first = results.at("/0/relevance_score").asDouble();
        assertTrue(first > results.at("/1/relevance_score").asDouble(), results.toString());
        for (int i = 0; i < 3; i++) {
            tiny.scheduler.nextCall();
        }
    }

    @Test
    void whatARerankerCannotDoIsRefusedByName() throws Exception {
        for (String[] request :
                List.of(
                        new String[] {"/v1/embeddings", "'input':'a'", "model"},
                        new String[] {"/api/embed", "'input':'a'", "model"},
                        new String[] {
                            "/v1/rerank",
                            "'query':'a','documents':['b'],'truncate':true",
                            "truncate"
                        },
                        new String[] {
                            "/v1/rerank",
                            "'query':'a','documents':['b'],'prompt_name':'x'",
                            "prompt_name"
                        },
                        new String[] {
                            "/v1/rerank", "'query':'a','documents':['']", "documents[0]"
                        })) {
            JsonNode body = post(400, request[0], request[1]);
            assertTrue(body.toString().contains(request[2]), body.toString());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.text.EndTokens;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests that every invalid request gets the error object and never reaches a scheduler.
final class BadInputTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String COMPLETIONS = "/v1/completions";
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    @BeforeEach
    void respondToAllRequests() {
        tiny.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.finishByLength(i);
                    }
                });
    }

    @AfterEach
    void awaitReady() throws Exception {
        tiny.awaitReady(true);
    }

    private static JsonNode error(HttpResponse<String> response, int status) {
        assertEquals(status, response.statusCode(), response.body());
        assertFalse(tiny.scheduler.hasCalls(), "the scheduler received the request");
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertTrue(error.get("message").isTextual());
        assertTrue(error.get("param").isTextual() || error.get("param").isNull());
        assertTrue(error.get("code").isTextual() || error.get("code").isNull());
        assertTrue(response.headers().firstValue("x-request-id").isPresent());
        return error;
    }

    private static JsonNode refused(String path, String body) throws Exception {
        JsonNode error = error(tiny.post(path, body), 400);
        assertEquals("invalid_request_error", error.get("type").asText());
        return error;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "temperature | '1' | temperature must be a number, got the text",
                "temperature | 2.5 | temperature is 2.5, it must lie in [0, 2]",
                "temperature | -0.1 | [0, 2]",
                "temperature | true | must be a number, got true",
                "top_p | 1.01 | [0, 1]",
                "top_k | -2 | [-1, 2147483647]",
                "top_k | 1.5 | top_k must be a whole number, got the number 1.5",
                "top_k | 1e30 | [-1, 2147483647]",
                "top_k | 1e400 | must be a whole number",
                "seed | 2.5 | seed must be a whole number, got the number 2.5",
                "seed | 1e19 | [-2^63, 2^63)",
                "n | 1.5 | must be a whole number",
                "max_tokens | 2.5 | must be a whole number",
                "min_tokens | 2.5 | must be a whole number",
                "prompt_logprobs | 2.5 | must be a whole number",
                "priority | 2.5 | must be a whole number",
                "deadline_ms | 2.5 | must be a whole number",
                "cache_priority | 2.5 | must be a whole number",
                "cache_ttl_ms | 2.5 | must be a whole number",
                "stop_token_ids[0] | [7.5] | stop_token_ids[0] must be a token id, got the number 7.5",
                "min_p | 1.5 | [0, 1]",
                "repetition_penalty | 0 | (0, 1000]",
                "frequency_penalty | 3 | [-2, 2]",
                "presence_penalty | -3 | [-2, 2]",
                "seed | 'x' | must be a whole number",
                "seed | 99999999999999999999 | [-2^63, 2^63)",
                "n | 0 | [1, 128]",
                "n | 129 | [1, 128]",
                "max_tokens | 0 | [1, 2147483647]",
                "max_tokens | 3000000000 | [1, 2147483647]",
                "max_completion_tokens | -1 | [1, 2147483647]",
                "min_tokens | -1 | [0, 2147483647]",
                "stop | 3 | must be an array",
                "stop | [''] | has a text of 0 characters",
                "stop[1] | ['a', 7] | must be text, got the number 7",
                "stop_token_ids[0] | [512] | the model's vocabulary has 512 tokens",
                "stop_token_ids[0] | ['a'] | must be a token id",
                "ignore_eos | 1 | must be true or false",
                "stream | 'yes' | must be true or false",
                "stream_options | {} | stream is not true",
                "logit_bias | {'x': 1} | is not a token id",
                "logit_bias | {'512': 1} | vocabulary has 512",
                "logit_bias.7 | {'7': 101} | [-100, 100]",
                "logit_bias | [] | must be an object",
                "return_token_ids | 'a' | must be true or false",
                "skip_special_tokens | 0 | must be true or false",
                "model | 7 | model must be text"
            })
    void aSharedFieldOfWrongTypeOrOutOfRangeIsNamed(String param, String value, String message)
            throws Exception {
        String field = param.replaceAll("[\\[.].*", "");
        String json = "\"" + field + "\":" + value.replace('\'', '"');
        String model = field.equals("model") ? "" : "\"model\":\"tiny\",";
        for (String path : new String[] {CHAT, COMPLETIONS}) {
            String prompt =
                    path.equals(CHAT)
                            ? "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                            : "\"prompt\":\"a\",";
            JsonNode error = refused(path, "{" + model + prompt + json + "}");
            assertEquals(param, error.get("param").asText(), error.toString());
            assertTrue(error.get("message").asText().contains(message), error.toString());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "messages | {'model':'tiny'} | messages is missing",
                "messages | {'model':'tiny','messages':[]} | messages is empty",
                "messages | {'model':'tiny','messages':'hi'} | must be an array",
                "messages[0] | {'model':'tiny','messages':['hi']} | must be an object",
                "messages[0].role | {'model':'tiny','messages':[{'content':'a'}]} | is missing",
                "messages[0].role | {'model':'tiny','messages':[{'role':'x','content':'a'}]} | it must be",
                "messages[0].content | {'model':'tiny','messages':[{'role':'user'}]} | is missing",
                "messages[0].content | {'model':'tiny','messages':[{'role':'user','content':3}]} | must be",
                "messages[0].content[0].type | {'model':'tiny','messages':[{'role':'user','content':[{'type':'image_url'}]}]} | only parts of type",
                "model | {'messages':[{'role':'user','content':'a'}]} | model is missing",
                "top_logprobs | {'model':'tiny','top_logprobs':2,'messages':[{'role':'user','content':'a'}]} | logprobs is not true",
                "top_logprobs | {'model':'tiny','logprobs':true,'top_logprobs':21,'messages':[{'role':'user','content':'a'}]} | [0, 20]",
                "min_tokens | {'model':'tiny','min_tokens':5,'max_tokens':4,'messages':[{'role':'user','content':'a'}]} | more than the 4"
            })
    void anInvalidFieldOfAChatIsNamed(String param, String body, String message) throws Exception {
        JsonNode error = refused(CHAT, body.replace('\'', '"'));
        assertEquals(param, error.get("param").asText(), error.toString());
        assertTrue(error.get("message").asText().contains(message), error.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "prompt | {'model':'tiny'} | prompt is missing",
                "prompt | {'model':'tiny','prompt':[]} | prompt is empty",
                "prompt | {'model':'tiny','prompt':''} | prompt is empty",
                "prompt | {'model':'tiny','prompt':{}} | must be text, token ids",
                "prompt[1] | {'model':'tiny','prompt':[1,512]} | prompt[1] is token id 512, the model's vocabulary has 512 tokens",
                "prompt[1] | {'model':'tiny','prompt':[1,-1]} | vocabulary has 512",
                "prompt[0][1] | {'model':'tiny','prompt':[[1,9999999999]]} | [0, 511]",
                "prompt[1] | {'model':'tiny','prompt':['a',1]} | must be text",
                "prompt[1] | {'model':'tiny','prompt':[1,'a']} | must be a token id",
                "logprobs | {'model':'tiny','prompt':'a','logprobs':21} | [0, 20]",
                "logprobs | {'model':'tiny','prompt':'a','logprobs':true} | must be a whole number",
                "suffix | {'model':'tiny','prompt':'a','suffix':'b'} | has no tokens for filling in the middle",
                "best_of | {'model':'tiny','prompt':'a','n':2,'best_of':1} | less than n, which is 2",
                "allowed_token_ids | {'model':'tiny','prompt':'a','allowed_token_ids':[]} | at least one",
                "allowed_token_ids[1] | {'model':'tiny','prompt':'a','allowed_token_ids':[1,512]} | vocabulary has 512",
                "allowed_token_ids | {'model':'tiny','prompt':'a','allowed_token_ids':[2,7],'stop_token_ids':[7],'min_tokens':1} | only ids that end",
                "n | {'model':'tiny','prompt':['a'],'n':129} | [1, 128]"
            })
    void anInvalidFieldOfACompletionIsNamed(String param, String body, String message)
            throws Exception {
        JsonNode error = refused(COMPLETIONS, body.replace('\'', '"'));
        assertEquals(param, error.get("param").asText(), error.toString());
        assertTrue(error.get("message").asText().contains(message), error.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"model\": \"tiny\",, }", "{", "", "[1]", "\"a\"", "{} {}", "nul"})
    void malformedJsonIsRefused(String body) throws Exception {
        JsonNode error = refused(CHAT, body);
        assertEquals("invalid_json", error.get("code").asText());
        assertTrue(error.get("param").isNull());
    }

    @Test
    void theLocationOfMalformedJsonIsReported() throws Exception {
        JsonNode error = refused(CHAT, "{\n \"model\" \"tiny\"}");
        assertTrue(error.get("message").asText().contains("line 2, column"), error.toString());
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() throws Exception {
        HttpRequest request =
                HttpRequest.newBuilder(tiny.uri(CHAT))
                        .POST(
                                HttpRequest.BodyPublishers.ofByteArray(
                                        new byte[] {'{', '"', (byte) 0xFF, '"', '}'}))
                        .build();
        error(tiny.send(request), 400);
    }

    @Test
    void aLoneSurrogateIsReplaced() throws Exception {
        HttpResponse<String> response =
                tiny.post(
                        COMPLETIONS,
                        "{\"model\":\"tiny\",\"prompt\":\"a\\ud800b\",\"echo\":true,\"stop\":\"\\udc00\"}");
        assertEquals(200, response.statusCode(), response.body());
        assertEquals(
                "a\uFFFDb", TestCoordinator.json(response.body()).at("/choices/0/text").asText());
    }

    @Test
    void anUnknownModelIsNotFound() throws Exception {
        for (String path : new String[] {CHAT, COMPLETIONS, "/tokenize", "/detokenize"}) {
            JsonNode error = error(tiny.post(path, "{\"model\":\"gpt-4\",\"prompt\":\"a\"}"), 404);
            assertEquals("model_not_found", error.get("code").asText());
            assertEquals("model", error.get("param").asText());
            assertTrue(error.get("message").asText().contains("gpt-4"));
        }
        error(tiny.get("/v1/models/gpt-4"), 404);
    }

    @Test
    void aPromptThatFillsTheContextIsRefusedWithBothNumbers() throws Exception {
        String ids = "7,".repeat(TinyCheckpoint.CONTEXT - 1) + "7";
        JsonNode error = refused(COMPLETIONS, "{\"model\":\"tiny\",\"prompt\":[" + ids + "]}");
        assertEquals("context_length_exceeded", error.get("code").asText());
        String message = error.get("message").asText();
        assertTrue(message.contains(TinyCheckpoint.CONTEXT + " tokens"), message);
        assertTrue(message.contains("context of the model " + TinyCheckpoint.CONTEXT), message);
    }

    @Test
    void aBodyOverTheLimitIsTooLarge() throws Exception {
        String body = "{\"model\":\"" + "x".repeat(TestCoordinator.MAX_BODY) + "\"}";
        JsonNode error = error(tiny.post(CHAT, body), 413);
        assertEquals("body_too_large", error.get("code").asText());
        assertTrue(
                error.get("message").asText().contains(String.valueOf(TestCoordinator.MAX_BODY)));
    }

    /// Some megabytes of these values would fill the heap.
    @ParameterizedTest
    @ValueSource(strings = {"{}", "{\"\":0}", "[]", "\"\"", "1"})
    void aBodyThatNeedsTooMuchMemoryIsTooLarge(String value) throws Exception {
        String many = (value + ",").repeat((TestCoordinator.MAX_BODY - 100) / (value.length() + 1));
        JsonNode error = error(tiny.post(CHAT, "{\"model\":\"tiny\",\"x\":[" + many + "1]}"), 413);
        assertEquals("body_too_large", error.get("code").asText());
        assertTrue(
                error.get("message").asText().contains("than the " + 10 * TestCoordinator.MAX_BODY),
                error.toString());
    }

    @Test
    void aBodyOfUnknownLengthIsMeasuredWhileItArrives() throws Exception {
        String begun = "{\"model\":\"" + "x".repeat(TestCoordinator.MAX_BODY);
        try (var raw = new RawConnection(tiny.coordinator.port())) {
            // No further chunk follows, and no end.
            raw.send(
                    "POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"
                            .formatted(CHAT, begun.length(), begun));
            String response = raw.readUntil("body_too_large");
            assertTrue(response.startsWith("HTTP/1.1 413 "), response);
        }
    }

    @Test
    void anUnknownPathIsNotFoundAndAWrongMethodIsNamed() throws Exception {
        assertEquals("unknown_url", error(tiny.get("/v2/models"), 404).get("code").asText());
        assertEquals("unknown_url", error(tiny.post("/v1/images", "{}"), 404).get("code").asText());
        HttpResponse<String> wrong = tiny.get(CHAT);
        assertEquals("method_not_allowed", error(wrong, 405).get("code").asText());
        assertEquals("POST, OPTIONS", wrong.headers().firstValue("allow").orElse(""));
        error(tiny.post("/v1/models", "{}"), 405);
    }

    @Test
    void theRoutesOfTheTokenizerAreStrictToo() throws Exception {
        refused("/tokenize", "{\"model\":\"tiny\"}");
        refused(
                "/tokenize",
                "{\"prompt\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}");
        refused("/detokenize", "{\"tokens\":[512]}");
        refused("/detokenize", "{}");
    }

    @Test
    void headIsServedAsGetWithoutTheBody() throws Exception {
        for (String path : new String[] {"/v1/models", "/metrics", "/health", "/v1/models/tiny"}) {
            HttpResponse<String> head =
                    tiny.send(HttpRequest.newBuilder(tiny.uri(path)).HEAD().build());
            assertEquals(200, head.statusCode(), path);
            assertEquals("", head.body());
        }
    }

    @Test
    void aModelNameInAPathIsPercentDecoded() throws Exception {
        assertEquals(200, tiny.get("/v1/models/t%69ny").statusCode());
        JsonNode error = error(tiny.get("/v1/models/org%2Fna%20me+1"), 404);
        assertTrue(error.get("message").asText().contains("`org/na me+1`"), error.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'prompt':['a','']} | prompt[1] | prompt[1] is empty",
                "{'prompt':[[1],[]]} | prompt[1] | prompt[1] is empty",
                "{'prompt':['']} | prompt | prompt is empty"
            })
    void oneOfSeveralPromptsIsNamedByItsIndex(String fields, String param, String message)
            throws Exception {
        String body = "{\"model\":\"tiny\"," + fields.substring(1).replace('\'', '"');
        JsonNode error = refused(COMPLETIONS, body);
        assertEquals(param, error.get("param").asText(), error.toString());
        assertTrue(error.get("message").asText().contains(message), error.toString());
        error = refused("/v1/embeddings", body.replace("prompt", "input"));
        assertEquals(param.replace("prompt", "input"), error.get("param").asText());
    }

    @ParameterizedTest
    @ValueSource(strings = {"+5", "05", "\u0665", " 5", "-0", "5.0", "", "99999999999"})
    void aTokenIdOfABiasMustHaveTheFormOfAJsonNumber(String token) throws Exception {
        JsonNode error =
                refused(
                        COMPLETIONS,
                        "{\"model\":\"tiny\",\"prompt\":\"a\",\"logit_bias\":{\""
                                + token
                                + "\":1}}");
        assertEquals("logit_bias", error.get("param").asText());
        assertTrue(error.get("message").asText().contains("not a token id"), error.toString());
    }

    @Test
    void limitsOfJsonAreReportedInFullWithoutTheParsersAdvice() throws Exception {
        String deep = refused(CHAT, "[".repeat(2000)).get("message").asText();
        assertTrue(deep.endsWith("depth (1001) exceeds the maximum allowed (1000)"), deep);
        String nan = refused(CHAT, "{\"temperature\":NaN}").get("message").asText();
        assertTrue(nan.endsWith("Non-standard token 'NaN'"), nan);
        String number =
                refused(CHAT, "{\"seed\":" + "9".repeat(2000) + "}").get("message").asText();
        assertTrue(number.endsWith("(2000) exceeds the maximum allowed (1000)"), number);
    }

    @Test
    void aTextWhosePatternMatchingTakesTooLongIsRefused() throws Exception {
        Tokenizer hostile =
                Tokenizers.ofJson(
                        """
                        {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
                         "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "invert": false,
                                           "pattern": {"Regex": "a*a*a*a*b"}}}
                        """
                                .getBytes(StandardCharsets.UTF_8));
        var model =
                new ServedModel(
                        List.of("tiny"),
                        2,
                        4096,
                        64,
                        true,
                        SentenceModel.NONE,
                        Optional.of(hostile),
                        new ModelTemplate.Missing(),
                        new EndTokens(List.of()),
                        TestCoordinator.object(),
                        GenerationDefaults.NONE,
                        ModelAnswers.NONE,
                        ModelDetails.NONE,
                        0);
        String text = "a".repeat(500);
        try (TestCoordinator other = TestCoordinator.start(model)) {
            for (String[] route :
                    new String[][] {
                        {COMPLETIONS, "prompt", "prompt"},
                        {"/tokenize", "prompt", "prompt"},
                        {"/v1/embeddings", "input", "input"}
                    }) {
                HttpResponse<String> response =
                        other.post(
                                route[0],
                                "{\"model\":\"tiny\",\"" + route[1] + "\":\"" + text + "\"}");
                assertEquals(400, response.statusCode(), route[0] + response.body());
                JsonNode error = TestCoordinator.json(response.body()).get("error");
                assertEquals(route[2], error.get("param").asText());
                assertTrue(error.get("message").asText().contains("500 characters"));
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpResponse;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tests that a field that would change the response of other servers is refused by name.
final class UnservedFieldsTest {
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
        tiny.scheduler.behave(call -> call.finishByLength(0));
    }

    private static JsonNode refused(String path, String body) throws Exception {
        HttpResponse<String> response = tiny.post(path, body);
        assertEquals(400, response.statusCode(), response.body());
        assertFalse(tiny.scheduler.hasCalls(), "the scheduler received the request");
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals("invalid_request_error", error.get("type").asText());
        return error;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "best_of | 2 | 1",
                "tenant | 'a' | ''",
                "adapter | 'a' | ''",
                "use_beam_search | true | false",
                "tools | [{'type':'function','function':{'name':'f'}}] | []",
                "functions | [{'name':'f'}] | []",
                "modalities | ['text','audio'] | ['text']",
                "chat_template | 'x' | ''",
                "spaces_between_special_tokens | false | true",
                "repeat_penalty | 1.1 | 1.0",
                "repeat_last_n | 64 | -1",
                "min_keep | 2 | 0",
                "dynatemp_range | 0.5 | 0",
                "samplers | ['top_k'] | null",
                "do_sample | false | true",
                "random_seed | 7 | null",
                "format | 'json' | ''",
                "format | {'type':'object'} | {}",
                "n_predict | 5 | -1",
                "max_new_tokens | 5 | null",
                "stop_sequences | ['a'] | []",
                "options | {'num_ctx':5} | {}",
                "verbosity | 'low' | 'medium'",
                "reasoning_effort | 'low' | 'none'",
                "enable_thinking | true | false",
                "thinking | true | false",
                "think | 'high' | false",
                "thinking_token_budget | 9 | -1",
                "thinking_budget | 0 | -1",
                "moderation | {'model':'m'} | null",
                "system | 'be kind' | ''",
                "instructions | 'be kind' | ''",
                "input_ids | [1] | []",
                "adapter | 3 | ''",
                "lora_path | 'a' | ''"
            })
    void anUnservedFieldIsAcceptedOnlyWithAValueWithoutEffect(
            String field, String refused, String harmless) throws Exception {
        JsonNode error =
                refused(
                        CHAT,
                        TestCoordinator.chatBody(
                                "\"" + field + "\":" + refused.replace('\'', '"')));
        assertEquals(field, error.get("param").asText());
        assertEquals("unsupported_parameter", error.get("code").asText());
        tiny.chat("\"" + field + "\":" + harmless.replace('\'', '"'));
        tiny.chat("\"" + field + "\":null");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'repeat_penalty':1.1 | repetition_penalty",
                "'num_predict':7 | max_tokens",
                "'stop_sequences':['a'] | stop",
                "'tenant':'a' | the header or metadata key x-lockstep-tenant",
                "'sampling_seed':7 | seed"
            })
    void aRefusalNamesWhatIsServedInstead(String field, String instead) throws Exception {
        for (String path : new String[] {CHAT, COMPLETIONS}) {
            JsonNode error =
                    refused(
                            path,
                            ("{'model':'tiny','messages':[{'role':'user','content':'a'}],'prompt':'a',"
                                            + field
                                            + "}")
                                    .replace('\'', '"'));
            assertTrue(
                    error.get("message").asText().contains("not served; use " + instead),
                    error.toString());
        }
    }

    @Test
    void theFirstUnservedFieldOfTheRequestIsNamed() throws Exception {
        for (String fields : List.of("\"audio\":{},\"top_a\":0.5", "\"top_a\":0.5,\"audio\":{}")) {
            JsonNode error = refused(CHAT, TestCoordinator.chatBody(fields));
            assertEquals(fields.substring(1, 6), error.get("param").asText());
        }
    }

    @Test
    void fieldsWithoutEffectOnTheTextAreIgnored() throws Exception {
        tiny.chat(
                """
                "user":"u","safety_identifier":"s","metadata":{"a":"b"},"store":true,"service_tier":"flex",
                "prediction":{"type":"content","content":"Yes"},"modalities":["text"],"prompt_cache_key":"k",
                "prompt_cache_retention":"24h","prompt_cache_options":{"ttl":"1h"},"parallel_tool_calls":true,
                "cache_prompt":true,"id_slot":3,"keep_alive":"5m","request_id":"r","timings_per_token":true""");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/embeddings | 'input':'a','output_dimension':3 | output_dimension",
                "/v1/embeddings | 'input':'a','instruction':'x' | instruction",
                "/v1/embeddings | 'input':'a','input_type':'query' | input_type",
                "/v1/completions | 'prompt':'a','system':'be kind' | system",
                "/tokenize | 'prompt':'a','return_token_strs':true | return_token_strs",
                "/tokenize | 'messages':[{'role':'user','content':'a'}],'chat_template':'x' | chat_template",
                "/apply-template | 'messages':[{'role':'user','content':'a'}],'safe_prompt':true | safe_prompt"
            })
    void everyRouteRefusesWhatItDoesNotServe(String path, String fields, String param)
            throws Exception {
        JsonNode error = refused(path, ("{'model':'tiny'," + fields + "}").replace('\'', '"'));
        assertEquals(param, error.get("param").asText(), error.toString());
        assertEquals("unsupported_parameter", error.get("code").asText());
    }

    @Test
    void toolsAreAcceptedWithToolChoiceNone() throws Exception {
        tiny.chat("\"tools\":[{\"type\":\"function\"}],\"tool_choice\":\"none\"");
    }

    @Test
    void anUnknownFieldIsIgnored() throws Exception {
        tiny.chat("\"frobnicate\":{\"a\":[1,2]}");
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.TextConstraint;
import dev.lockstep.proto.v1.ThinkingBudget;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the fields that say whether a model thinks and for how long.
final class ThinkingTest {
    /// Opens the thinking of an answer, and closes it at once where it is off.
    private static final String OPENED =
            """
            {% for m in messages %}<|im_start|>{{ m.role }}
            {% if m.reasoning_content %}<think>
            {{ m.reasoning_content }}
            </think>

            {% endif %}{{ m.content }}<|im_end|>
            {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
            <think>
            {% if enable_thinking is defined and not enable_thinking %}

            </think>

            {% endif %}{% endif %}""";

    private static final String PROMPT =
            "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n";

    private static TestCoordinator opened;
    private static TestCoordinator marked;
    private static TestCoordinator plain;

    @BeforeAll
    static void start() throws Exception {
        var template = new ModelTemplate.Usable(ChatTemplate.parse(OPENED, "", "<|im_end|>"));
        opened = TestCoordinator.start(Models.templated(TestCoordinator.tinyModel(), template));
        marked = CallTemplates.MARKED.start();
        plain = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        opened.close();
        marked.close();
        plain.close();
    }

    @BeforeEach
    void answer() {
        for (TestCoordinator server : new TestCoordinator[] {opened, marked, plain}) {
            server.scheduler.behave(
                    call -> {
                        for (int i = 0; i < call.request().getChoices(); i++) {
                            call.oneByOne(i, server.ids("Hm\n</think>\n\nYes."));
                            call.oneByOne(i, TestCoordinator.END);
                            call.finish(i, true, TestCoordinator.END);
                        }
                    });
        }
    }

    private static GenerateRequest sent(TestCoordinator server, String fields) throws Exception {
        server.chat(fields.replace('\'', '"'));
        return server.scheduler.nextCall().request();
    }

    private static ThinkingBudget budget(GenerateRequest request) throws Exception {
        return TextConstraint.parseFrom(request.getConstraint()).getThinking();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'thinking_token_budget':9",
                "'thinking_budget':9",
                "'thinking_budget_tokens':9,'thinking_token_budget':9",
                "'thinking':{'type':'enabled','budget_tokens':9}",
                "'reasoning':{'max_tokens':9}"
            })
    void aBudgetTravelsWithTheWordsThatCloseTheThinking(String fields) throws Exception {
        ThinkingBudget budget = budget(sent(opened, fields));
        assertEquals(9, budget.getTokens());
        assertTrue(budget.getOpened());
        assertEquals("<think>", budget.getOpening().toStringUtf8());
        assertEquals("</think>", budget.getClosing().toStringUtf8());
        assertEquals(
                "\n</think>\n\n",
                opened.model.decode(
                        budget.getClosingIdsList().stream().mapToInt(id -> id).toArray(), false));
        assertFalse(budget(sent(marked, "'thinking_token_budget':0")).getOpened());
    }

    @Test
    void grpcHasTheSameField() throws Exception {
        try (var client = new RpcClient(opened)) {
            client.generate(
                    RpcClient.request()
                            .setChat(
                                    ChatMessages.newBuilder()
                                            .addMessages(
                                                    ChatMessage.newBuilder()
                                                            .setRole("user")
                                                            .setContent("Hello"))
                                            .setThinkingTokenBudget(5)));
            assertEquals(5, budget(opened.scheduler.nextCall().request()).getTokens());
        }
    }

    @Test
    void itGoesWithAGrammar() throws Exception {
        GenerateRequest request =
                sent(
                        opened,
                        "'thinking_token_budget':3,'n':2,'response_format':{'type':'json_object'}");
        TextConstraint constraint = TextConstraint.parseFrom(request.getConstraint());
        assertEquals(3, constraint.getThinking().getTokens());
        assertFalse(constraint.getGrammar().isEmpty());
        assertTrue(sent(opened, "'thinking_token_budget':-1").getConstraint().isEmpty());
        assertTrue(sent(opened, "'reasoning':{}").getConstraint().isEmpty());
    }

    @Test
    void aPromptThatClosedTheThinkingNeedsNoBudget() throws Exception {
        GenerateRequest request = sent(opened, "'thinking_token_budget':3,'enable_thinking':false");
        assertTrue(request.getConstraint().isEmpty());
        assertPrompt(PROMPT + "\n</think>\n\n", request);
    }

    private static void assertPrompt(String prompt, GenerateRequest request) {
        assertEquals(prompt, opened.promptOf(request));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'enable_thinking':true | true",
                "'enable_thinking':false | false",
                "'think':true | true",
                "'think':false | false",
                "'think':'low' | true",
                "'thinking':false | false",
                "'thinking':{'type':'disabled'} | false",
                "'thinking':{'type':'adaptive'} | true",
                "'reasoning':{'enabled':false} | false",
                "'reasoning':{'effort':'none'} | false",
                "'reasoning_effort':'none' | false",
                "'reasoning_effort':'high' | true",
                "'reasoning_effort':'high','enable_thinking':false | false",
                "'chat_template_kwargs':{'enable_thinking':false},'think':true | false"
            })
    void theTemplateThinksOrNot(String fields, boolean thinks) throws Exception {
        assertPrompt(PROMPT + (thinks ? "" : "\n</think>\n\n"), sent(opened, fields));
    }

    @Test
    void aRenderedConversationThinksOrNotAsAChatWould() throws Exception {
        for (boolean thinks : new boolean[] {true, false}) {
            HttpResponse<String> response =
                    opened.post(
                            "/apply-template",
                            "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"think\":%s}"
                                    .formatted(thinks));
            assertEquals(
                    PROMPT + (thinks ? "" : "\n</think>\n\n"),
                    TestCoordinator.json(response.body()).get("prompt").asText());
        }
    }

    @Test
    void reasoningThatIsExcludedIsNotSent() throws Exception {
        JsonNode response = opened.chat("\"reasoning\":{\"exclude\":true}");
        assertFalse(response.at("/choices/0/message").has("reasoning_content"));
        assertEquals("Yes.", response.at("/choices/0/message/content").asText());
        assertTrue(
                response.at("/usage/completion_tokens_details/reasoning_tokens").asInt() > 0,
                response.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'thinking_token_budget':-2 | thinking_token_budget",
                "'thinking_token_budget':1,'thinking_budget':2 | thinking_budget",
                "'enable_thinking':true,'think':false | think",
                "'thinking':{'type':'on'} | thinking.type"
            })
    void whatContradictsItselfIsRefused(String fields, String param) throws Exception {
        assertRefused(opened, fields, param, "null");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'thinking_token_budget':9 | thinking_token_budget",
                "'thinking':{'budget_tokens':9} | thinking.budget_tokens",
                "'reasoning':{'max_tokens':9} | reasoning.max_tokens",
                "'enable_thinking':true | enable_thinking",
                "'think':'high' | think"
            })
    void aModelThatDoesNotThinkHasNoBudget(String fields, String param) throws Exception {
        assertRefused(plain, fields, param, "unsupported_parameter");
    }

    private static void assertRefused(
            TestCoordinator server, String fields, String param, String code) throws Exception {
        HttpResponse<String> response =
                server.post(
                        "/v1/chat/completions",
                        TestCoordinator.chatBody(fields.replace('\'', '"')));
        assertEquals(400, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals(param, error.get("param").asText(), error.toString());
        assertEquals(code, error.get("code").asText(), error.toString());
    }

    /// Stop strings hold tokens back and release several at once.
    @Test
    void tokensOfReasoningAreCountedHoweverTheyArrive() throws Exception {
        String tokens = "/usage/completion_tokens_details/reasoning_tokens";
        int expected = opened.model.requireTokenizer("").encode("Hm\n</think>", false).length;
        assertEquals(expected, opened.chat("\"n\":1").at(tokens).asInt());
        assertEquals(
                2 * expected,
                opened.chat("\"n\":2,\"stop\":[\"Hm\\n</think>\\n\\nNo\"]").at(tokens).asInt());
    }

    @Test
    void messagesHaveTheirOwnNameOfABudget() throws Exception {
        String body =
                """
                {"model":"tiny","max_tokens":20,"messages":[{"role":"user","content":"Hello"}],
                "thinking":{"type":"enabled","budget_tokens":7}}""";
        assertEquals(200, opened.post("/v1/messages", body).statusCode());
        assertEquals(7, budget(opened.scheduler.nextCall().request()).getTokens());
        HttpResponse<String> refused = plain.post("/v1/messages", body);
        assertEquals(400, refused.statusCode());
        assertTrue(refused.body().contains("thinking.budget_tokens is given"), refused.body());
    }

    @Test
    void responsesHaveTheFieldOfChats() throws Exception {
        String body = "{\"model\":\"tiny\",\"input\":\"Hello\",\"thinking_token_budget\":7}";
        assertEquals(200, opened.post("/v1/responses", body).statusCode());
        assertEquals(7, budget(opened.scheduler.nextCall().request()).getTokens());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GenerateRequest;
import java.net.http.HttpResponse;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests that fields about accounts, storage and hints neither change what is generated nor what is
/// returned.
final class HarmlessFieldsTest {
    private static final List<String> ROUTES =
            List.of("/v1/chat/completions", "/v1/completions", "/v1/responses");
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        tiny.generate("Hello there.");
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private record Exchanged(GenerateRequest request, JsonNode answer) {}

    private static HttpResponse<String> send(String route, String more) throws Exception {
        String prompt =
                switch (route) {
                    case "/v1/chat/completions" -> "'messages':[{'role':'user','content':'Hello'}]";
                    case "/v1/responses" -> "'input':'Hello'";
                    default -> "'prompt':'Hello'";
                };
        return tiny.post(
                route, ("{'model':'tiny','seed':7," + prompt + more + "}").replace('\'', '"'));
    }

    private static Exchanged post(String route, String more) throws Exception {
        HttpResponse<String> response = send(route, more);
        assertEquals(200, response.statusCode(), response.body());
        var answer = (ObjectNode) TestCoordinator.json(response.body());
        answer.remove(List.of("id", "created", "created_at", "completed_at"));
        for (JsonNode item : answer.path("output")) {
            ((ObjectNode) item).remove("id");
        }
        return new Exchanged(
                tiny.scheduler.nextCall().request().toBuilder().clearRequestId().build(), answer);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'service_tier':'flex'",
                "'service_tier':'priority'",
                "'prediction':{'type':'content','content':'Hello'}",
                "'modalities':['text']",
                "'prompt_cache_retention':'24h'",
                "'prompt_cache_options':{'ttl':'1h'}",
                "'verbosity':'medium'",
                "'web_search_options':null",
                "'audio':null",
                "'logit_bias':{}",
                "'frobnicate':{'a':[1,2]}",
                "'keep_alive':'5m','cache_prompt':true,'id_slot':3",
            })
    void aFieldWithoutEffectIsAccepted(String fields) throws Exception {
        for (String route : ROUTES) {
            assertEquals(post(route, ""), post(route, "," + fields), route);
        }
    }

    /// A response repeats these, as it does those with an effect.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "'user':'u'",
                "'safety_identifier':'s'",
                "'prompt_cache_key':'k'",
                "'metadata':{'a':'b'}",
                "'store':false",
                "'store':true",
                "'parallel_tool_calls':false",
                "'max_tool_calls':3",
            })
    void aFieldWithoutEffectIsRepeatedByAResponse(String field) throws Exception {
        for (String route : ROUTES) {
            Exchanged expected = post(route, "");
            if (route.endsWith("responses")) {
                ((ObjectNode) expected.answer)
                        .setAll(
                                (ObjectNode)
                                        TestCoordinator.json("{" + field.replace('\'', '"') + "}"));
            }
            assertEquals(expected, post(route, "," + field), route);
        }
    }

    @Test
    void theBiasOfATokenHasItsLimits() throws Exception {
        for (String route : ROUTES) {
            GenerateRequest request = post(route, ",'logit_bias':{'7':-100,'5':100}").request;
            assertEquals(
                    post(route, ",'logit_bias':{'5':100.0,'7':-100.0}").request, request, route);
            for (String wrong : List.of("{'7':100.5}", "{'7':'x'}", "{'512':1}", "{'07':1}")) {
                HttpResponse<String> refused = send(route, ",'logit_bias':" + wrong);
                assertEquals(400, refused.statusCode(), refused.body());
            }
        }
    }
}

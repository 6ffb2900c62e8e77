package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The default model, asked with text, answers with the text that other software recorded, as far
/// as 8-bit activations can decide.
@Isolated("a real model takes all cores")
@Timeout(600)
@ExtendWith(LogsOnFailure.class)
final class DefaultModelIT {

    /// 8-bit activations with a scale per 32 values were seen to turn margins of up to 0.38 round.
    private static final double NARROW = 0.5;

    /// A recorded question and its answer.
    ///
    /// @param request `prompt` or `messages`
    /// @param certain ids before the first step whose best two logits are close
    /// @param text that the answer goes on to, special tokens included
    private record Case(
            String name,
            ObjectNode request,
            List<Integer> prompt,
            List<Integer> certain,
            String text) {

        boolean isChat() {
            return request.has("messages");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void textInTextOutAsRecordedAtAnyRankCount(int ranks) throws Exception {
        Path golden = Models.requireFixture("smollm2/golden.json");
        List<Case> cases = cases(Json.read(golden).path("cases"));
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.plain(),
                        Models.requireDefault(),
                        "--max-model-len=2048",
                        "--tensor-parallel=" + ranks)) {
            for (Case each : cases) {
                assertTokenizes(cluster.api(), each);
            }
            List<Case> decided = cases.stream().filter(each -> !each.certain().isEmpty()).toList();
            List<Answered> answers = Together.map(decided, each -> ask(cluster.api(), each));
            for (Answered answer : answers) {
                assertEquals(answer.asked().certain(), answer.ids(), answer.asked().name());
                assertTrue(answer.asked().text().startsWith(answer.text()), answer::text);
                assertEquals(detokenized(cluster.api(), answer.ids()), answer.text());
            }
        }
    }

    /// @param text with special tokens
    private record Answered(Case asked, List<Integer> ids, String text) {}

    private static List<Case> cases(JsonNode recorded) {
        List<Case> cases = new ArrayList<>();
        for (JsonNode each : recorded) {
            List<Integer> certain = new ArrayList<>();
            for (JsonNode step : each.path("steps")) {
                if (step.path("margin").asDouble() < NARROW) {
                    break;
                }
                certain.add(each.path("greedy_ids").path(certain.size()).intValue());
            }
            String field = each.path("kind").asText().equals("chat") ? "messages" : "prompt";
            ObjectNode request = Json.object();
            request.set(field, each.path(field));
            cases.add(
                    new Case(
                            each.path("name").asText(),
                            request,
                            Json.integers(each.path("prompt_ids")),
                            certain,
                            each.path("text").asText()));
        }
        assertTrue(cases.stream().anyMatch(Case::isChat), "there are chats");
        return cases;
    }

    private static void assertTokenizes(Api api, Case asked) {
        ObjectNode body = asked.request().deepCopy().put("model", ServedCluster.MODEL);
        JsonNode answer = api.post("/tokenize", body).ok();
        assertEquals(asked.prompt(), Json.integers(answer.path("tokens")), asked.name());
        assertEquals(asked.prompt().size(), answer.path("count").intValue());
        assertEquals(2048, answer.path("max_model_len").intValue());
    }

    private static Answered ask(Api api, Case asked) {
        ObjectNode body = Requests.greedy(asked.certain().size());
        body.setAll(asked.request());
        body.put("skip_special_tokens", false);
        String route = asked.isChat() ? Requests.CHAT : Requests.COMPLETIONS;
        JsonNode answer = api.post(route, body).ok();
        assertEquals(asked.prompt().size(), answer.path("usage").path("prompt_tokens").intValue());
        JsonNode choice = answer.path("choices").path(0);
        JsonNode text =
                asked.isChat() ? choice.path("message").path("content") : choice.path("text");
        return new Answered(asked, Json.integers(choice.path("token_ids")), text.asText());
    }

    private static String detokenized(Api api, List<Integer> ids) {
        ObjectNode body = Json.object().put("model", ServedCluster.MODEL);
        body.set("tokens", Json.array(ids));
        return api.post("/detokenize", body).ok().path("prompt").asText();
    }
}

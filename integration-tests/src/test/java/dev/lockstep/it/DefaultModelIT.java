// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Fixtures;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The default model completes text with the text that other software recorded, as far as 8-bit
/// activations determine it.
@Isolated("a real model uses all cores")
@ExtendWith(LogsOnFailure.class)
final class DefaultModelIT {

    /// The largest margin that 8-bit activations with a scale per 32 values reversed is 0.38.
    private static final double NARROW = 0.5;

    /// A recorded request and its completion.
    ///
    /// @param request the field `prompt` or `messages`
    /// @param certain the ids before the first step whose two highest logits are close
    /// @param text the text of the completion, special tokens included
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
    @CsvSource({"1, auto", "2, auto", "3, auto", "2, q8"})
    void completionsAreAsRecordedAtAnyRankCount(int ranks, String kvType) throws Exception {
        Path golden = Fixtures.require("smollm2/golden.json");
        List<Case> cases = cases(JsonNodes.read(golden).path("cases"));
        try (ServedCluster cluster =
                ServedCluster.start(
                        Sandbox.plain(),
                        Fixtures.requireDefaultModel(),
                        "--max-model-len=2048",
                        "--kv-dtype=" + kvType,
                        "--tensor-parallel=" + ranks)) {
            for (Case each : cases) {
                assertTokenizes(cluster.api(), each);
            }
            List<Case> decided = cases.stream().filter(each -> !each.certain().isEmpty()).toList();
            List<Completed> all = Together.map(decided, each -> complete(cluster.api(), each));
            for (Completed completed : all) {
                Case recorded = completed.recorded();
                assertEquals(recorded.certain(), completed.ids(), recorded.name());
                assertTrue(recorded.text().startsWith(completed.text()), completed::text);
                assertEquals(detokenized(cluster.api(), completed.ids()), completed.text());
            }
        }
    }

    /// The completion of a case.
    ///
    /// @param text with special tokens
    private record Completed(Case recorded, List<Integer> ids, String text) {}

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
            ObjectNode request = JsonNodes.object();
            request.set(field, each.path(field));
            cases.add(
                    new Case(
                            each.path("name").asText(),
                            request,
                            JsonNodes.integers(each.path("prompt_ids")),
                            certain,
                            each.path("text").asText()));
        }
        assertTrue(cases.stream().anyMatch(Case::isChat), "some cases are chats");
        return cases;
    }

    private static void assertTokenizes(Api api, Case recorded) {
        ObjectNode body = recorded.request().deepCopy().put("model", ServedCluster.MODEL);
        JsonNode response = api.post("/tokenize", body).ok();
        assertEquals(
                recorded.prompt(), JsonNodes.integers(response.path("tokens")), recorded.name());
        assertEquals(recorded.prompt().size(), response.path("count").intValue());
        assertEquals(2048, response.path("max_model_len").intValue());
    }

    private static Completed complete(Api api, Case recorded) {
        ObjectNode body = CompletionBodies.greedy(recorded.certain().size());
        body.setAll(recorded.request());
        body.put("skip_special_tokens", false);
        String route = recorded.isChat() ? CompletionBodies.CHAT : CompletionBodies.COMPLETIONS;
        JsonNode response = api.post(route, body).ok();
        assertEquals(
                recorded.prompt().size(), response.path("usage").path("prompt_tokens").intValue());
        JsonNode choice = response.path("choices").path(0);
        JsonNode text =
                recorded.isChat() ? choice.path("message").path("content") : choice.path("text");
        return new Completed(recorded, JsonNodes.integers(choice.path("token_ids")), text.asText());
    }

    private static String detokenized(Api api, List<Integer> ids) {
        ObjectNode body = JsonNodes.object().put("model", ServedCluster.MODEL);
        body.set("tokens", JsonNodes.array(ids));
        return api.post("/detokenize", body).ok().path("prompt").asText();
    }
}

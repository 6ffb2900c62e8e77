// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceFinished;
import dev.lockstep.proto.v1.ResponseRecord;
import dev.lockstep.proto.v1.ResumeRequest;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ModelTemplate;
import io.grpc.Status;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Clients that come back for the rest of a response, or repeat a request.
final class ResumptionTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private TestCoordinator server;

    @BeforeEach
    void serve() {
        server = tiny;
    }

    /// An event of a stream, with the id that its client has after it.
    private record Event(String id, String data) {
        boolean isLast() {
            return data.equals("[DONE]");
        }
    }

    private List<Event> events(HttpResponse<String> response) {
        assertEquals(200, response.statusCode(), response.body());
        List<Event> events = new ArrayList<>();
        String id = "";
        for (String part : response.body().split("\n\n", -1)) {
            for (String line : part.split("\n", -1)) {
                if (line.startsWith("id: ")) {
                    id = line.substring(4);
                } else if (line.startsWith("data: ")) {
                    String data = line.substring(6);
                    events.add(new Event(data.equals("[DONE]") ? "" : id, data));
                }
            }
        }
        assertTrue(events.getLast().isLast(), response.body());
        return events;
    }

    private HttpRequest.Builder resume(String response) {
        return HttpRequest.newBuilder(server.uri("/v1/requests/" + response + "/events"));
    }

    private List<Event> after(String id) throws Exception {
        String response = id.substring(0, id.indexOf('/'));
        return events(server.send(resume(response).header("Last-Event-ID", id).build()));
    }

    /// What a client has of each choice when it joins the events.
    private String joined(List<Event> events) {
        var contents = new ArrayList<StringBuilder>();
        var tokens = new ArrayList<StringBuilder>();
        var offsets = new StringBuilder();
        for (int i = 0; i < 4; i++) {
            contents.add(new StringBuilder());
            tokens.add(new StringBuilder());
        }
        for (Event event : events) {
            if (event.isLast()) {
                continue;
            }
            JsonNode chunk = TestCoordinator.json(event.data());
            for (JsonNode choice : chunk.get("choices")) {
                StringBuilder to = contents.get(choice.get("index").asInt());
                to.append(choice.at("/delta/role").asText().isEmpty() ? "" : "<assistant>");
                to.append(choice.at("/delta/content").asText())
                        .append(choice.path("text").asText());
                StringBuilder logprobs = tokens.get(choice.get("index").asInt());
                choice.at("/logprobs/content").forEach(logprobs::append);
                if (choice.get("index").asInt() == 0) {
                    choice.at("/logprobs/text_offset").forEach(offsets::append);
                }
                choice.at("/logprobs/token_logprobs").forEach(logprobs::append);
                for (JsonNode call : choice.at("/delta/tool_calls")) {
                    to.append(call.path("id").asText()).append(call.at("/function/name").asText());
                    to.append(call.at("/function/arguments").asText());
                }
                to.append(choice.path("finish_reason").asText("").replaceFirst("^null$", ""));
            }
            if (chunk.get("choices").isEmpty()) {
                contents.getLast().append(chunk.get("usage"));
            }
        }
        return contents + "\n" + tokens + "\n" + offsets;
    }

    /// Lets every choice generate a text, token by token or all at once.
    private void generate(String text, boolean atOnce) {
        int[] ids = server.ids(text);
        server.scheduler.behave(
                call -> {
                    call.accept();
                    if (atOnce) {
                        for (int i = 0; i < call.request().getChoices(); i++) {
                            call.tokens(i, ids);
                        }
                    } else {
                        for (int id : ids) {
                            for (int i = 0; i < call.request().getChoices(); i++) {
                                call.tokens(i, id);
                            }
                        }
                    }
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.tokens(i, TestCoordinator.END);
                        call.finish(i, true, TestCoordinator.END);
                    }
                });
    }

    private String text(String moreFields) {
        return "{\"model\":\"tiny\",\"prompt\":\"Hello\",\"stream\":true" + moreFields + "}";
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"n\":2",
                ",\"logprobs\":true,\"top_logprobs\":1",
                ",\"stop\":[\"there. And\"]",
                ",\"stop\":[\"never in it\",\"much\"],\"n\":2",
                ",\"stream_options\":{\"include_usage\":true}"
            })
    void aClientOfAChatMissesNothingAfterAnyEvent(String fields) throws Exception {
        assertResumable(
                CHAT,
                TestCoordinator.chatBody("\"stream\":true" + fields),
                "Hello there, so much.");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ",\"echo\":true", ",\"logprobs\":1,\"n\":2"})
    void aClientOfACompletionMissesNothingAfterAnyEvent(String fields) throws Exception {
        assertResumable(TEXT, text(fields), "Hello there.");
    }

    @Test
    void aClientOfAnAnswerWithCallsMissesNothingAfterAnyEvent() throws Exception {
        try (TestCoordinator marked = CallTemplates.MARKED.start()) {
            server = marked;
            String function =
                    "{\"type\":\"function\",\"function\":{\"name\":\"%s\",\"parameters\":{\"type\":\"object\"}}}";
            assertResumable(
                    CHAT,
                    TestCoordinator.chatBody(
                            "\"stream\":true,\"n\":2,\"tools\":["
                                    + function.formatted("weather")
                                    + ","
                                    + function.formatted("time")
                                    + "]"),
                    "Let me see.<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"days\":2}}\n</tool_call><tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>");
        }
    }

    private void assertResumable(String path, String body, String text) throws Exception {
        generate(text, false);
        List<Event> all = events(server.post(path, body));
        String whole = joined(all);
        for (boolean atOnce : new boolean[] {false, true}) {
            generate(text, atOnce);
            for (int i = 0; i < all.size() - 1; i++) {
                String id = all.get(i).id();
                assertTrue(i == 0 || !id.equals(all.get(i - 1).id()), id);
                var both = new ArrayList<Event>(all.subList(0, i + 1));
                List<Event> rest = after(id);
                if (!atOnce) {
                    assertEquals(all.subList(i + 1, all.size()), rest, id);
                }
                both.addAll(rest);
                assertEquals(whole, joined(both), id);
            }
            String response = all.getFirst().id().replaceFirst("/.*", "");
            assertEquals(whole, joined(events(server.send(resume(response).build()))));
        }
    }

    @Test
    void theIdsCountTheTokensOfEachChoice() throws Exception {
        generate("Hello", false);
        List<Event> all =
                events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true,\"n\":2")));
        String response = TestCoordinator.json(all.getFirst().data()).get("id").asText();
        assertEquals(response + "/0:0", all.getFirst().id());
        int tokens = server.ids("Hello").length;
        assertEquals(
                response + "/0:%d,1:%d".formatted(tokens + 2, tokens + 2),
                all.get(all.size() - 2).id());
        String from = "0:%d,1:%d".formatted(tokens + 2, tokens + 1);
        HttpResponse<String> rest = server.get("/v1/requests/" + response + "/events?from=" + from);
        assertEquals(all.subList(all.size() - 2, all.size()), events(rest));
    }

    @Test
    void aPromptThatNoSchedulerHasWholeIsGeneratedAgain() throws Exception {
        generate("Hello there.", false);
        List<Event> all = events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true")));
        GenerateRequest first = server.scheduler.nextCall().request();
        server.scheduler.keepPartially(true);
        try {
            int attached = server.scheduler.attachedCalls();
            assertEquals(all.subList(3, all.size()), after(all.get(2).id()));
            assertEquals(attached, server.scheduler.attachedCalls());
        } finally {
            server.scheduler.keepPartially(false);
        }
        GenerateRequest second = server.scheduler.nextCall().request();
        assertEquals(
                first.toBuilder().clearClient().build(), second.toBuilder().clearClient().build());
    }

    @Test
    void aRequestThatIsForgottenMeanwhileIsGeneratedAgain() throws Exception {
        generate("Hello there.", false);
        List<Event> all = events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true")));
        server.scheduler.forgetWhenAsked();
        assertEquals(all.subList(3, all.size()), after(all.get(2).id()));
    }

    /// A prompt with the present date would be another one than that of the tokens until now.
    @Test
    void aTemplateReadsTheTimeAtWhichTheResponseWasCreated() throws Exception {
        ModelTemplate template =
                new ModelTemplate.Usable(
                        ChatTemplate.parse(
                                "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}", "", ""));
        try (TestCoordinator dated =
                TestCoordinator.start(Models.templated(TestCoordinator.tinyModel(), template))) {
            server = dated;
            generate("Hello there.", false);
            List<Event> all =
                    events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true")));
            GenerateRequest kept = server.scheduler.nextCall().request();
            ResponseRecord record = ResponseRecord.parseFrom(kept.getClient().getRecord());
            GenerateRequest.Builder old = kept.toBuilder();
            Instant created = Instant.parse("1990-06-15T12:00:00Z");
            old.getClientBuilder()
                    .setRecord(
                            record.toBuilder()
                                    .setCreated(created.getEpochSecond())
                                    .build()
                                    .toByteString());
            server.scheduler.keep(old.build());
            server.scheduler.keepPartially(true);
            after(all.get(1).id());
            String prompt = server.nextPrompt();
            assertTrue(prompt.contains(" Jun 1990"), prompt);
        }
    }

    @Test
    void aTemplateReadsTheTimeInUtcWhateverTheHostHas() throws Exception {
        ModelTemplate template =
                new ModelTemplate.Usable(
                        ChatTemplate.parse("{{ strftime_now('%d %H:%M') }}", "", ""));
        ServedModel model = Models.templated(TestCoordinator.tinyModel(), template);
        TimeZone host = TimeZone.getDefault();
        try {
            TimeZone.setDefault(TimeZone.getTimeZone("Pacific/Kiritimati"));
            ChatVariables hello =
                    ChatVariables.of(List.of(Map.of("role", "user", "content", "Hi")), true);
            long noon = Instant.parse("1990-06-15T12:00:00Z").getEpochSecond();
            assertEquals("15 12:00", model.render(hello, noon));
        } finally {
            TimeZone.setDefault(host);
        }
    }

    @Test
    void aCancelledRequestGoesOnFromItsTokens() throws Exception {
        generate("Hello there.", false);
        List<Event> all = events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true")));
        int[] ids = server.ids("Hello there.");
        server.scheduler.behave(
                call -> {
                    call.accept();
                    if (call.request().getCommittedCount() == 0) {
                        call.tokens(0, Arrays.copyOf(ids, 3));
                        call.fail(Status.UNAVAILABLE);
                        return;
                    }
                    call.oneByOne(0, Arrays.copyOfRange(ids, 3, ids.length));
                    call.oneByOne(0, TestCoordinator.END);
                    call.finish(0, true, TestCoordinator.END);
                });
        List<Event> rest = after(all.get(1).id());
        var both = new ArrayList<Event>(all.subList(0, 2));
        both.addAll(rest);
        assertEquals(joined(all), joined(both));
        assertEquals(0, server.scheduler.nextCall().request().getCommittedCount());
        assertEquals(3, server.scheduler.nextCall().request().getCommitted(0).getIdsCount());
    }

    @Test
    void aReaderWhoseResponseGoesOnElsewhereIsToldSo() throws Exception {
        server.scheduler.behave(
                call -> {
                    call.accept();
                    call.tokens(0, server.ids("Hello"));
                    call.fail(Status.ALREADY_EXISTS);
                });
        String body =
                server.client
                        .send(
                                server.request(CHAT, TestCoordinator.chatBody("\"stream\":true")),
                                HttpResponse.BodyHandlers.ofString())
                        .body();
        assertTrue(body.contains("\"displaced\""), body);
    }

    @Test
    void aReaderWhoIsOvertakenByALaterOneIsToldSo() throws Exception {
        generate("Hello", false);
        List<Event> all = events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true")));
        server.scheduler.behave(call -> call.fail(Status.ALREADY_EXISTS));
        String response = all.getFirst().id().replaceFirst("/.*", "");
        HttpResponse<String> late = server.send(resume(response).build());
        assertEquals(409, late.statusCode());
        assertTrue(late.body().contains("\"displaced\""), late.body());
    }

    /// So an earlier reader that goes on elsewhere later does not displace a later one.
    @Test
    void theReadersOfAResponseAreNumbered() throws Exception {
        generate("Hello there.", false);
        List<Event> all = events(server.post(CHAT, TestCoordinator.chatBody("\"stream\":true")));
        assertEquals(0, reader());
        after(all.get(2).id());
        assertEquals(1, reader());
        server.scheduler.keepPartially(true);
        try {
            after(all.get(2).id());
        } finally {
            server.scheduler.keepPartially(false);
        }
        assertEquals(2, reader());
        after(all.get(2).id());
        assertEquals(3, reader());
    }

    private int reader() throws Exception {
        return server.scheduler.nextCall().request().getClient().getReader();
    }

    @Test
    void onlyItsOwnerGoesOnWithAResponse() throws Exception {
        generate("Hello", false);
        HttpRequest mine =
                HttpRequest.newBuilder(server.uri(CHAT))
                        .header(RequestContext.TENANT, "a")
                        .POST(
                                HttpRequest.BodyPublishers.ofString(
                                        TestCoordinator.chatBody("\"stream\":true")))
                        .build();
        String id = events(server.send(mine)).get(1).id();
        String response = id.replaceFirst("/.*", "");
        assertEquals(404, server.send(resume(response).build()).statusCode());
        HttpRequest other = resume(response).header(RequestContext.TENANT, "b").build();
        assertEquals(404, server.send(other).statusCode());
        HttpRequest same = resume(response).header(RequestContext.TENANT, "a").build();
        assertEquals(200, server.send(same).statusCode());
    }

    @Test
    void whatCannotBeResumedIsRefusedByName() throws Exception {
        assertEquals(404, server.get("/v1/requests/unknown/events").statusCode());
        HttpResponse<String> bad = server.get("/v1/requests/x/events?from=0:1:2");
        assertEquals(400, bad.statusCode());
        assertTrue(bad.body().contains("which is not the id of an event"), bad.body());
        HttpRequest other = resume("x").header("Last-Event-ID", "y/0:1").build();
        assertTrue(server.send(other).body().contains("an event of another response"));
        HttpResponse<String> post = server.post("/v1/requests/x/events", "{}");
        assertEquals(405, post.statusCode());
    }

    @Test
    void aWholeResponseAndOneWithPromptLogprobsEndWithTheirClient() throws Exception {
        generate("Hello", false);
        server.chat("");
        assertTrue(!server.scheduler.nextCall().request().hasClient());
        String scored = text(",\"prompt_logprobs\":1").replace("true", "false");
        server.post(TEXT, scored);
        assertTrue(!server.scheduler.nextCall().request().hasClient());
    }

    /// The key is that of the request, which a reader of its events does not send.
    @Test
    void aKeyedResponseGoesOnWhenAReaderOfItsEventsLeaves() throws Exception {
        try (TestCoordinator patient = TestCoordinator.startWith("--resume-window=10m")) {
            server = patient;
            FakeScheduler.Call keyed = callOfAReaderThatLeaves("\r\nIdempotency-Key: read");
            FakeScheduler.Call unkeyed = callOfAReaderThatLeaves("");
            assertTrue(unkeyed.awaitCancelled());
            assertTrue(!keyed.isCancelled());
        }
    }

    private FakeScheduler.Call callOfAReaderThatLeaves(String header) throws Exception {
        server.scheduler.behave(
                call -> {
                    call.accept();
                    call.tokens(0, server.ids("Hello"));
                    call.awaitCancelled();
                });
        try (var first = new RawConnection(server.coordinator.port());
                var reader = new RawConnection(server.coordinator.port())) {
            first.post(CHAT, "1.1" + header, TestCoordinator.chatBody("\"stream\":true"));
            first.readUntil("Hel");
            FakeScheduler.Call whole = server.scheduler.nextCall();
            String id = whole.request().getClient().getResponseId();
            reader.send("GET /v1/requests/" + id + "/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
            reader.readUntil("Hel");
            return server.scheduler.nextCall();
        }
    }

    private HttpRequest keyed(String path, String key, String body) {
        return HttpRequest.newBuilder(server.uri(path))
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", key)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\"stream\":true"})
    void aRepeatedRequestGetsTheResponseOfTheFirst(String fields) throws Exception {
        generate("Hello there.", false);
        String key = "key of " + fields;
        String body = TestCoordinator.chatBody(fields);
        HttpResponse<String> first = server.send(keyed(CHAT, key, body));
        int attached = server.scheduler.attachedCalls();
        HttpResponse<String> second = server.send(keyed(CHAT, key, body));
        assertEquals(200, second.statusCode());
        assertEquals(first.body(), second.body());
        assertEquals(attached + 1, server.scheduler.attachedCalls());
        HttpResponse<String> other =
                server.send(keyed(CHAT, key, TestCoordinator.chatBody("\"max_tokens\":3")));
        assertEquals(422, other.statusCode());
        assertTrue(other.body().contains("idempotency_key_reused"), other.body());
    }

    @Test
    void theKeyOfAnotherTenantFindsNothing() throws Exception {
        generate("Hello there.", false);
        HttpRequest mine = keyed(CHAT, "shared", TestCoordinator.chatBody(""));
        HttpRequest theirs =
                HttpRequest.newBuilder(mine, (_, _) -> true)
                        .header(RequestContext.TENANT, "t")
                        .build();
        assertNotEquals(id(server.send(mine)), id(server.send(theirs)));
        assertEquals(id(server.send(mine)), id(server.send(mine)));
    }

    private String id(HttpResponse<String> response) {
        assertEquals(200, response.statusCode(), response.body());
        return TestCoordinator.json(response.body()).get("id").asText();
    }

    @Test
    void aKeyWorksOnTheOtherRoutesThatGenerate() throws Exception {
        generate("Hello there.", false);
        String body =
                "{\"model\":\"tiny\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
        HttpResponse<String> first = server.send(keyed("/v1/messages", "of messages", body));
        assertEquals(id(first), id(server.send(keyed("/v1/messages", "of messages", body))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\u00e4"})
    void anInvalidKeyIsRefused(String key) throws Exception {
        generate("Hello there.", false);
        HttpRequest request = keyed(CHAT, key.isEmpty() ? "x".repeat(129) : key, "{}");
        HttpResponse<String> response = server.send(request);
        assertEquals(400, response.statusCode());
        assertTrue(response.body().contains("idempotency-key"), response.body());
    }

    @Test
    void aKeyIsRefusedWhereTheResponseCannotBeKept() throws Exception {
        String scored = text(",\"prompt_logprobs\":1").replace("true", "false");
        HttpResponse<String> response = server.send(keyed(TEXT, "scored", scored));
        assertEquals(400, response.statusCode());
        assertTrue(response.body().contains("idempotency-key"), response.body());
    }

    @Test
    void aStreamOverGrpcGoesOnAfterAnyEvent() throws Exception {
        try (var rpc = new RpcClient(server)) {
            generate("Hello there.", false);
            List<InferenceEvent> all =
                    rpc.generate(RpcClient.request().setPrompt("Hi").setN(2).setLogprobs(true));
            for (int i = 0; i < all.size(); i++) {
                List<InferenceEvent> rest = new ArrayList<>();
                rpc.stub()
                        .withDeadlineAfter(Eventually.TIMEOUT)
                        .resume(ResumeRequest.newBuilder().setAfter(all.get(i).getPlace()).build())
                        .forEachRemaining(rest::add);
                assertEquals(withoutIds(all.subList(i + 1, all.size())), withoutIds(rest));
            }
        }
    }

    /// The choices of a run do not end in the order in which they ended before.
    @Test
    void theEndOfAChoiceOverGrpcIsNotRepeatedByARunWithAnotherOrder() throws Exception {
        try (var rpc = new RpcClient(server)) {
            for (int first = 0; first < 2; first++) {
                endsFirst(first);
                List<InferenceEvent> all =
                        rpc.generate(RpcClient.request().setPrompt("Hi").setN(2));
                endsFirst(1 - first);
                for (int i = 0; i < all.size(); i++) {
                    var both = new ArrayList<InferenceEvent>(all.subList(0, i + 1));
                    rpc.stub()
                            .withDeadlineAfter(Eventually.TIMEOUT)
                            .resume(
                                    ResumeRequest.newBuilder()
                                            .setAfter(all.get(i).getPlace())
                                            .build())
                            .forEachRemaining(both::add);
                    assertEquals("Hello there.", RpcClient.text(both, 0));
                    assertEquals("Hello there.", RpcClient.text(both, 1));
                    List<InferenceFinished> ends =
                            both.stream()
                                    .filter(InferenceEvent::hasFinished)
                                    .map(InferenceEvent::getFinished)
                                    .toList();
                    assertEquals(2, ends.size(), ends::toString);
                    assertNotEquals(ends.get(0).getChoice(), ends.get(1).getChoice());
                    assertTrue(!ends.get(0).hasUsage() && ends.get(1).hasUsage(), ends::toString);
                }
            }
        }
    }

    private void endsFirst(int choice) {
        int[] ids = server.ids("Hello there.");
        server.scheduler.behave(
                call -> {
                    call.accept();
                    for (int each : new int[] {choice, 1 - choice}) {
                        call.oneByOne(each, ids);
                        call.finishByLength(each);
                    }
                });
    }

    private List<InferenceEvent> withoutIds(List<InferenceEvent> events) {
        return events.stream().map(event -> event.toBuilder().clearId().build()).toList();
    }
}

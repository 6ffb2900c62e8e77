// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.OwnerOnly;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.ResumeRequest;
import io.grpc.Status;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests that go on from the journal of a coordinator that ended, at a scheduler that does not
/// know them.
final class JournaledRequestsTest {
    private static final String TEXT = "/v1/completions";
    private static final String WORDS = "Hello there, so much.";

    /// Tokens that the first scheduler sends of each choice.
    private static final int BEFORE = 4;

    @TempDir Path folder;

    private TestCoordinator start() throws Exception {
        return TestCoordinator.startWith(
                scheduler -> scheduler.behave(call -> goOn(call, Integer.MAX_VALUE)),
                "--durability=journal",
                "--journal-folder=" + folder.resolve("journal"));
    }

    private int[] ids = {};

    /// Generates from where a request is until a choice has so many tokens.
    private void goOn(FakeScheduler.Call call, int until) throws InterruptedException {
        call.accept();
        GenerateRequest request = call.request();
        List<Integer> choices =
                request.getCommittedCount() > 0
                        ? request.getCommittedList().stream()
                                .map(CommittedChoice::getChoice)
                                .toList()
                        : IntStream.range(0, request.getChoices()).boxed().toList();
        for (int i = 0; i < choices.size(); i++) {
            int from = request.getCommittedCount() > 0 ? request.getCommitted(i).getIdsCount() : 0;
            int[] all = Arrays.copyOf(ids, ids.length + 1);
            all[ids.length] = TestCoordinator.END;
            call.oneByOne(
                    choices.get(i),
                    Arrays.copyOfRange(all, from, Math.max(from, Math.min(until, all.length))));
        }
        if (until == Integer.MAX_VALUE) {
            choices.forEach(choice -> call.finish(choice, true, TestCoordinator.END));
        }
    }

    private static String body(String fields) {
        return "{\"model\":\"tiny\",\"prompt\":\"Hi\",\"stream\":true" + fields + "}";
    }

    private static HttpResponse<InputStream> stream(TestCoordinator server, String body)
            throws Exception {
        return server.client.send(
                server.request(TEXT, body), HttpResponse.BodyHandlers.ofInputStream());
    }

    /// What a client has of a stream.
    private static final class Read {
        final StringBuilder[] texts = {new StringBuilder(), new StringBuilder()};
        final StringBuilder[] logprobs = {new StringBuilder(), new StringBuilder()};
        String id = "";
        int tokens;

        void line(String line) {
            if (line.startsWith("id: ")) {
                id = line.substring(4);
            } else if (line.startsWith("data: {")) {
                JsonNode chunk = TestCoordinator.json(line.substring(6));
                for (JsonNode choice : chunk.path("choices")) {
                    StringBuilder text = texts[choice.get("index").asInt()];
                    text.append(choice.get("text").asText());
                    text.append(choice.path("finish_reason").asText("").replace("null", ""));
                    choice.at("/logprobs/token_logprobs")
                            .forEach(logprobs[choice.get("index").asInt()]::append);
                    tokens++;
                }
            }
        }

        Read all(String body) {
            body.lines().forEach(this::line);
            assertTrue(body.endsWith("data: [DONE]\n\n"), body);
            return this;
        }

        @Override
        public String toString() {
            return Arrays.toString(texts) + Arrays.toString(logprobs);
        }
    }

    private static HttpRequest.Builder resume(TestCoordinator server, String response) {
        return HttpRequest.newBuilder(server.uri("/v1/requests/" + response + "/events"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"n\":2",
                ",\"logprobs\":1,\"n\":2",
                ",\"stop\":[\"so\",\"never\"]",
                ",\"stream_options\":{\"include_usage\":true}"
            })
    void aStreamGoesOnAfterItsCoordinatorAndSchedulerEndedTogether(String fields) throws Exception {
        var before = new Read();
        try (TestCoordinator first = start()) {
            ids = first.ids(WORDS);
            first.scheduler.behave(call -> goOn(call, BEFORE));
            try (BufferedReader lines =
                    new BufferedReader(
                            new InputStreamReader(
                                    stream(first, body(fields)).body(), StandardCharsets.UTF_8))) {
                while (before.tokens < 3) {
                    before.line(String.valueOf(lines.readLine()));
                }
                // The client has not left.
                first.coordinator.stop(StopReason.FINISHED);
            }
        }
        String response = before.id.substring(0, before.id.indexOf('/'));
        try (TestCoordinator second = start()) {
            GenerateRequest again = second.scheduler.nextCall().request();
            assertEquals(response, again.getRequestId());
            assertTrue(again.getCommittedCount() > 0);
            HttpResponse<String> rest =
                    second.send(
                            resume(second, response).header("Last-Event-ID", before.id).build());
            before.all(rest.body());
            String whole = second.send(resume(second, response).build()).body();
            assertEquals(new Read().all(whole).toString(), before.toString());
            String text = fields.contains("stop\"") ? "Hello there, stop" : WORDS + "stop";
            assertEquals(text, before.texts[0].toString());
            assertEquals(404, second.get("/v1/requests/x/events").statusCode());
            HttpRequest another =
                    resume(second, response).header(RequestContext.TENANT, "other").build();
            assertEquals(404, second.send(another).statusCode());
        }
    }

    /// It is stored at its end, however late its client asks for it.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStoredResponseGoesOnFromTheJournalToItsEnd(boolean background) throws Exception {
        String id;
        try (TestCoordinator first = start()) {
            ids = first.ids(WORDS);
            first.scheduler.behave(call -> goOn(call, BEFORE));
            try (var raw = new RawConnection(first.coordinator.port())) {
                String fields = "\"stream\":true,\"background\":" + background;
                raw.post(ResponsesClient.PATH, "1.1", ResponsesClient.body(fields));
                id =
                        raw.readUntil("response.output_text.delta")
                                .replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
                // The client has not left.
                first.coordinator.stop(StopReason.FINISHED);
            }
        }
        try (TestCoordinator second = start()) {
            assertTrue(second.scheduler.nextCall().request().getCommittedCount() > 0);
            var client = new ResponsesClient(second);
            Eventually.await(
                    "it is completed",
                    () -> client.get(id).path("status").asText().equals("completed"));
            assertEquals(WORDS, ResponsesClient.text(client.get(id)));
            assertTrue(
                    client.get(id)
                            .equals(
                                    ResponsesClient.events(
                                                    second.get(
                                                            ResponsesClient.PATH
                                                                    + "/"
                                                                    + id
                                                                    + "?stream=true"))
                                            .getLast()
                                            .path("response")));
            ResponsesClient.ok(client.send("DELETE", id));
            assertEquals(404, second.get(ResponsesClient.PATH + "/" + id).statusCode());
        }
    }

    /// Its scheduler would end it when nobody comes for it, and then it would not be stored.
    @Test
    void aStoredResponseThatItsSchedulerKeepsIsReadToItsEnd() throws Exception {
        List<GenerateRequest> kept = new CopyOnWriteArrayList<>();
        String id;
        try (TestCoordinator first = start()) {
            ids = first.ids(WORDS);
            first.scheduler.behave(
                    call -> {
                        kept.add(call.request());
                        goOn(call, BEFORE);
                    });
            try (var raw = new RawConnection(first.coordinator.port())) {
                raw.post(ResponsesClient.PATH, "1.1", ResponsesClient.body("\"stream\":true"));
                id =
                        raw.readUntil("response.output_text.delta")
                                .replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
                first.coordinator.stop(StopReason.FINISHED);
            }
        }
        try (TestCoordinator second =
                startSoon(
                        scheduler -> {
                            scheduler.keep(kept.getFirst());
                            scheduler.behave(call -> goOn(call, Integer.MAX_VALUE));
                        },
                        TestCoordinator.LONG_TIMEOUTS)) {
            Eventually.await("it is read", () -> second.scheduler.attachedCalls() == 1);
            second.scheduler.forget();
            var client = new ResponsesClient(second);
            Eventually.await(
                    "it is completed",
                    () -> client.get(id).path("status").asText().equals("completed"));
            assertEquals(WORDS, ResponsesClient.text(client.get(id)));
            assertEquals(1, second.scheduler.attachedCalls());
        }
    }

    @Test
    void aResponseThatIsDeletedElsewhereDoesNotComeBackFromTheJournal() throws Exception {
        var deleted = new CountDownLatch(1);
        try (TestCoordinator first = start();
                TestCoordinator second = first.another();
                var raw = new RawConnection(first.coordinator.port())) {
            ids = first.ids(WORDS);
            first.scheduler.behave(
                    call -> {
                        goOn(call, BEFORE);
                        if (deleted.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                            call.fail(Status.ALREADY_EXISTS.withDescription("it is forgotten"));
                        }
                    });
            raw.post(ResponsesClient.PATH, "1.1", ResponsesClient.body("\"stream\":true"));
            String id =
                    raw.readUntil("response.output_text.delta")
                            .replaceAll("(?s).*?\"id\":\"(resp_[0-9a-f]+)\".*", "$1");
            ResponsesClient.ok(new ResponsesClient(second).send("DELETE", id));
            deleted.countDown();
            raw.readUntil("displaced");
            Eventually.await(
                    "it has ended",
                    () -> first.get(ResponsesClient.PATH + "/" + id).statusCode() == 404);
            assertEquals(0, first.scheduler.attachedCalls());
        }
    }

    /// Returns the id of the last event that a client got from a coordinator which has ended.
    private String eventOfAnEnded(FakeScheduler.Behaviour behaviour) throws Exception {
        var read = new Read();
        try (TestCoordinator first = start()) {
            ids = first.ids(WORDS);
            first.scheduler.behave(behaviour);
            try (BufferedReader lines =
                    new BufferedReader(
                            new InputStreamReader(
                                    stream(first, body("")).body(), StandardCharsets.UTF_8))) {
                while (read.tokens < 3) {
                    read.line(String.valueOf(lines.readLine()));
                }
                first.coordinator.stop(StopReason.FINISHED);
            }
        }
        return read.id;
    }

    private TestCoordinator startSoon(Consumer<FakeScheduler> preparation, Timeouts timeouts)
            throws Exception {
        return TestCoordinator.startSoon(
                preparation,
                timeouts,
                "--durability=journal",
                "--journal-folder=" + folder.resolve("journal"));
    }

    @Test
    void aSchedulerThatIsSilentAboutAResponseOfTheJournalIsGivenUp() throws Exception {
        List<GenerateRequest> kept = new CopyOnWriteArrayList<>();
        String last =
                eventOfAnEnded(
                        call -> {
                            kept.add(call.request());
                            goOn(call, BEFORE);
                        });
        Duration never = TestCoordinator.NEVER;
        var soon = new Timeouts(never, never, never, Duration.ofSeconds(1));
        var attempts = new AtomicInteger();
        try (TestCoordinator second =
                startSoon(
                        scheduler -> {
                            scheduler.keep(kept.getFirst());
                            scheduler.behave(
                                    call -> {
                                        if (attempts.getAndIncrement() == 0) {
                                            call.awaitCancelled();
                                        } else {
                                            goOn(call, Integer.MAX_VALUE);
                                        }
                                    });
                        },
                        soon)) {
            second.awaitReady(true);
            String response = last.substring(0, last.indexOf('/'));
            var whole = new Read().all(second.send(resume(second, response).build()).body());
            assertEquals(WORDS + "stop", whole.texts[0].toString());
            assertEquals(0, second.scheduler.nextCall().request().getCommittedCount());
            assertTrue(second.scheduler.nextCall().request().getCommittedCount() > 0);
        }
    }

    @Test
    void aClientThatIsBackBeforeTheGroupDoesNotShortenItsTime() throws Exception {
        String last = eventOfAnEnded(call -> goOn(call, BEFORE));
        String response = last.substring(0, last.indexOf('/'));
        try (TestCoordinator second =
                startSoon(
                        scheduler -> {
                            scheduler.behave(call -> goOn(call, Integer.MAX_VALUE));
                            scheduler.ready(false);
                        },
                        TestCoordinator.LONG_TIMEOUTS)) {
            HttpResponse<String> early = second.send(resume(second, response).build());
            assertEquals(503, early.statusCode(), early::body);
            assertEquals(
                    "not_ready", TestCoordinator.json(early.body()).at("/error/code").asText());
            second.scheduler.ready(true);
            assertTrue(second.scheduler.nextCall().request().getCommittedCount() > 0);
            var whole = new Read().all(second.send(resume(second, response).build()).body());
            assertEquals(WORDS + "stop", whole.texts[0].toString());
        }
    }

    @Test
    void whatHasEndedIsReadFromTheJournal() throws Exception {
        String whole;
        try (TestCoordinator first = start()) {
            ids = first.ids(WORDS);
            whole = first.post(TEXT, body(",\"n\":2")).body();
        }
        try (TestCoordinator second = start()) {
            var read = new Read().all(whole);
            String response = read.id.substring(0, read.id.indexOf('/'));
            HttpResponse<String> again = second.send(resume(second, response).build());
            assertEquals(read.toString(), new Read().all(again.body()).toString());
            assertFalse(second.scheduler.hasCalls());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aRepeatedRequestGetsTheResponseOfTheFirst(boolean streams) throws Exception {
        String body = body(",\"logprobs\":1").replace("true", Boolean.toString(streams));
        String first;
        try (TestCoordinator server = start()) {
            ids = server.ids(WORDS);
            first = server.send(keyed(server, body)).body();
        }
        try (TestCoordinator server = start()) {
            String second = server.send(keyed(server, body)).body();
            if (streams) {
                assertEquals(new Read().all(first).toString(), new Read().all(second).toString());
            } else {
                assertEquals(first, second);
            }
            assertFalse(server.scheduler.hasCalls());
            String other = body.replace("Hi", "Ho");
            assertEquals(422, server.send(keyed(server, other)).statusCode());
        }
    }

    private static HttpRequest keyed(TestCoordinator server, String body) {
        return HttpRequest.newBuilder(server.request(TEXT, body), (_, _) -> true)
                .header("Idempotency-Key", "k")
                .build();
    }

    @ParameterizedTest
    @ValueSource(strings = {"Hi", "Ho"})
    void aRefusedRequestIsANewOneWhenItComesAgain(String prompt) throws Exception {
        String body = body("").replace("true", "false");
        try (TestCoordinator server = start()) {
            ids = server.ids(WORDS);
            server.scheduler.behave(
                    call -> {
                        server.scheduler.forget();
                        call.fail(Status.RESOURCE_EXHAUSTED);
                    });
            assertEquals(429, server.send(keyed(server, body)).statusCode());
            server.scheduler.behave(call -> goOn(call, Integer.MAX_VALUE));
            HttpResponse<String> again = server.send(keyed(server, body.replace("Hi", prompt)));
            assertEquals(200, again.statusCode(), again::body);
            JsonNode answer = TestCoordinator.json(again.body());
            assertEquals(WORDS, answer.at("/choices/0/text").asText());
            assertTrue(answer.at("/usage/lockstep/migrations").isMissingNode(), again.body());
            assertEquals(0, server.scheduler.nextCall().request().getCommittedCount());
        }
    }

    @Test
    void aStreamOverGrpcGoesOn() throws Exception {
        List<InferenceEvent> events = new ArrayList<>();
        try (TestCoordinator first = start();
                var rpc = new RpcClient(first)) {
            ids = first.ids(WORDS);
            first.scheduler.behave(call -> goOn(call, BEFORE));
            Iterator<InferenceEvent> stream =
                    rpc.stub().generate(RpcClient.request().setPrompt("Hi").build());
            events.add(stream.next());
            events.add(stream.next());
            first.coordinator.stop(StopReason.FINISHED);
        }
        try (TestCoordinator second = start();
                var rpc = new RpcClient(second)) {
            assertTrue(second.scheduler.nextCall().request().getCommittedCount() > 0);
            rpc.stub()
                    .withDeadlineAfter(Eventually.TIMEOUT)
                    .resume(
                            ResumeRequest.newBuilder()
                                    .setAfter(events.getLast().getPlace())
                                    .build())
                    .forEachRemaining(events::add);
            assertEquals(
                    WORDS,
                    events.stream()
                            .map(event -> event.getDelta().getText())
                            .collect(Collectors.joining()));
        }
    }

    /// A folder where the file would be stands for a disk that cannot be written.
    @Test
    void whileTheJournalCannotBeWrittenNewRequestsAreRefusedByName() throws Exception {
        Path journal = Files.createDirectories(folder.resolve("journal"), OwnerOnly.FOLDER);
        Path obstacle = journal.resolve("journal-0000000001.log.part/obstacle");
        Files.createDirectories(obstacle);
        try (TestCoordinator server = start()) {
            ids = server.ids(WORDS);
            HttpResponse<String> refused = server.post(TEXT, body(""));
            assertEquals(503, refused.statusCode());
            JsonNode error = TestCoordinator.json(refused.body()).get("error");
            assertEquals("durability_unavailable", error.get("code").asText());
            assertTrue(
                    error.get("message")
                            .asText()
                            .matches("the journal journal-\\d+\\.log cannot be written"),
                    refused.body());
            assertFalse(refused.body().contains(folder.toString()));
            // Nobody could ask for it again.
            assertEquals(200, server.post(TEXT, body("").replace("true", "false")).statusCode());
            Files.delete(obstacle);
            Eventually.await(
                    "it is accepted", () -> server.post(TEXT, body("")).statusCode() == 200);
        }
    }
}

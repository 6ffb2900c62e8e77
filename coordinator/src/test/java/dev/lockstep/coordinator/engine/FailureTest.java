// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.Member;
import dev.lockstep.coordinator.FakeScheduler;
import dev.lockstep.coordinator.TestCoordinator;
import dev.lockstep.proto.v1.CommittedChoice;
import io.grpc.Metadata;
import io.grpc.Status;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the responses to clients when schedulers fail.
final class FailureTest {
    private static TestCoordinator tiny;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    /// A test before this one may have left while the coordinator still learned of its groups.
    @BeforeEach
    void awaitServing() throws Exception {
        tiny.generate("Hello");
        Eventually.await("the group serves", () -> chat("").statusCode() == 200);
    }

    private static HttpResponse<String> chat(String more) throws Exception {
        return tiny.post("/v1/chat/completions", TestCoordinator.chatBody(more));
    }

    private static JsonNode error(HttpResponse<String> response, int status, String code) {
        assertEquals(status, response.statusCode(), response.body());
        JsonNode error = TestCoordinator.json(response.body()).get("error");
        assertEquals(code, error.get("code").asText());
        return error;
    }

    @Test
    void aFullQueueGivesStatus429AndRetryAfter() throws Exception {
        var trailers = new Metadata();
        trailers.put(Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER), "2500");
        tiny.scheduler.behave(
                call -> call.fail(Status.RESOURCE_EXHAUSTED.withDescription("64 wait"), trailers));
        for (String stream : new String[] {"", "\"stream\":true"}) {
            HttpResponse<String> response = chat(stream);
            error(response, 429, "overloaded");
            assertEquals("3", response.headers().firstValue("retry-after").orElse(""));
        }
    }

    @Test
    void aConstraintThatCannotBeFollowedHasACodeOfItsOwn() throws Exception {
        String why = "the constraint cannot be followed: a call of 1000001 operations";
        tiny.scheduler.behave(call -> call.fail(Status.INVALID_ARGUMENT.withDescription(why)));
        JsonNode error = error(chat("\"guided_regex\":\"a\""), 400, "constraint_failed");
        assertEquals(why, error.get("message").asText());
        assertEquals("invalid_request_error", error.get("type").asText());
    }

    @Test
    void aRequestThatEndsItsWorkersHasACodeOfItsOwn() throws Exception {
        tiny.scheduler.behave(call -> call.fail(Status.ABORTED.withDescription("rank 1 is gone")));
        JsonNode error = error(chat(""), 500, "poisoned_request");
        assertFalse(error.get("message").asText().contains("rank"), "nothing of the cluster");
    }

    @Test
    void aSchedulerThatIsLostBeforeItAcceptsIsAPlainError() throws Exception {
        tiny.scheduler.behave(
                call -> call.fail(Status.UNAVAILABLE.withDescription("rank 1 is gone")));
        HttpResponse<String> response = chat("\"stream\":true");
        error(response, 503, "not_ready");
        assertTrue(response.headers().firstValue("retry-after").isPresent());
    }

    /// The scheduler that comes back gets what the coordinator has of each choice that goes on.
    @Test
    void aRequestWhoseSchedulerIsLostGoesOnWhereItWas() throws Exception {
        int[] hello = tiny.ids("Hello world");
        tiny.scheduler.behave(
                call -> {
                    call.accept();
                    if (call.request().getCommittedCount() == 0) {
                        call.oneByOne(0, Arrays.copyOf(hello, 2));
                        call.oneByOne(1, hello);
                        call.finishByLength(1);
                        call.fail(Status.UNAVAILABLE.withDescription("killed"));
                        return;
                    }
                    CommittedChoice first = call.request().getCommitted(0);
                    if (call.request().getCommittedCount() == 1
                            && first.getChoice() == 0
                            && first.getIdsList().equals(List.of(hello[0], hello[1]))) {
                        call.oneByOne(0, Arrays.copyOfRange(hello, 2, hello.length));
                        call.finishByLength(0);
                    } else {
                        call.fail(Status.INVALID_ARGUMENT.withDescription("" + call.request()));
                    }
                });
        HttpResponse<String> response = chat("\"n\":2");
        assertEquals(200, response.statusCode(), response.body());
        JsonNode answer = TestCoordinator.json(response.body());
        for (int choice = 0; choice < 2; choice++) {
            assertEquals(
                    "Hello world", answer.at("/choices/" + choice + "/message/content").asText());
        }
        assertEquals(2 * hello.length, answer.at("/usage/completion_tokens").asInt());
        assertEquals(1, answer.at("/usage/lockstep/migrations").asInt());
    }

    /// Also at another scheduler, which has not seen the workers of the first one end.
    @Test
    void everyMoveOfARequestCounts() throws Exception {
        int[] hello = tiny.ids("Hello world");
        var sent = new AtomicInteger();
        tiny.scheduler.behave(
                call -> {
                    call.accept();
                    boolean moved = call.request().getCommittedCount() > 0;
                    sent.addAndGet(call.request().getMigrations());
                    if (!moved) {
                        call.oneByOne(0, hello[0]);
                        call.migrate(2);
                        call.oneByOne(0, hello[1]);
                        call.fail(Status.UNAVAILABLE.withDescription("killed"));
                        return;
                    }
                    call.oneByOne(0, Arrays.copyOfRange(hello, 2, hello.length));
                    call.finishByLength(0);
                });
        JsonNode answer = TestCoordinator.json(chat("").body());
        assertEquals(3, answer.at("/usage/lockstep/migrations").asInt());
        assertEquals(3, sent.get());
    }

    /// A token that was under way when the request moved is generated again, and counts once.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aRequestMovesFromAGroupThatIsNotFormedToOneThatServes(boolean resizing) throws Exception {
        int[] hello = tiny.ids("Hello world");
        try (var other = TestCoordinator.scheduler("other")) {
            other.ready(false);
            tiny.scheduler.behave(
                    call -> {
                        call.accept();
                        call.oneByOne(0, Arrays.copyOf(hello, 2));
                        other.ready(true);
                        if (resizing) {
                            tiny.scheduler.resizing(true);
                        } else {
                            tiny.scheduler.ready(false);
                        }
                        call.awaitCancelled();
                    });
            other.behave(
                    call -> {
                        call.accept();
                        boolean moved = call.request().getCommittedCount() > 0;
                        int known = moved ? call.request().getCommitted(0).getIdsCount() : 0;
                        call.oneByOne(0, Arrays.copyOfRange(hello, known, hello.length));
                        call.finishByLength(0);
                    });
            FixedCluster cluster = tiny.cluster.another(Runnable::run);
            cluster.register(other.member());
            HttpResponse<String> response = chat("");
            assertEquals(200, response.statusCode(), response.body());
            assertEquals(
                    "Hello world",
                    TestCoordinator.json(response.body())
                            .at("/choices/0/message/content")
                            .asText());
            // It attracts no others, however busy that one is.
            other.busy(1000, 1000);
            for (int i = 0; i < 4; i++) {
                assertEquals(200, chat("").statusCode());
            }
            cluster.close();
        } finally {
            tiny.scheduler.resizing(false);
            tiny.scheduler.ready(true);
        }
    }

    @Test
    void anAcceptedRequestWithoutATokenIsSentAgain() throws Exception {
        var attempts = new AtomicInteger();
        tiny.scheduler.behave(
                call -> {
                    if (attempts.incrementAndGet() == 2) {
                        call.fail(Status.UNAVAILABLE.withDescription("still forming"));
                        return;
                    }
                    call.accept();
                    if (attempts.get() == 1) {
                        call.fail(Status.FAILED_PRECONDITION.withDescription("not the leader"));
                    } else {
                        call.oneByOne(0, tiny.ids("Hello"));
                        call.finishByLength(0);
                    }
                });
        HttpResponse<String> response = chat("");
        assertEquals(200, response.statusCode(), response.body());
        assertEquals(3, attempts.get());
    }

    @Test
    void aRequestWhoseSchedulersAreLostAgainAndAgainEndsWithAnErrorEvent() throws Exception {
        var attempts = new AtomicInteger();
        tiny.scheduler.behave(
                call -> {
                    call.accept();
                    if (attempts.getAndIncrement() == 0) {
                        call.oneByOne(0, tiny.ids("Hello"));
                    }
                    call.fail(Status.UNAVAILABLE.withDescription("rank 1 is gone"));
                });
        List<JsonNode> events = tiny.chatEvents("");
        assertEquals("group_lost", events.getLast().at("/error/code").asText());
        assertEquals("server_error", events.getLast().at("/error/type").asText());
        assertEquals(5, attempts.get());
    }

    @Test
    void aFieldRefusedByTheSchedulerGivesStatus400() throws Exception {
        tiny.scheduler.behave(
                call -> call.fail(Status.INVALID_ARGUMENT.withDescription("top_k is odd")));
        assertTrue(error(chat(""), 400, "null").get("message").asText().contains("top_k is odd"));
    }

    @Test
    void aFailedSchedulerGivesStatus500() throws Exception {
        tiny.scheduler.behave(call -> call.fail(Status.INTERNAL.withDescription("oh")));
        error(chat(""), 500, "internal_error");
    }

    @Test
    void aRequestRefusedByOneGroupIsSentToAnother() throws Exception {
        try (var other = TestCoordinator.scheduler("other")) {
            var refusals = new AtomicInteger();
            tiny.scheduler.behave(
                    call -> {
                        refusals.incrementAndGet();
                        call.fail(
                                refusals.get() % 2 == 0
                                        ? Status.UNAVAILABLE
                                        : Status.FAILED_PRECONDITION);
                    });
            other.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("here"));
                        call.finishByLength(0);
                    });
            FixedCluster cluster = tiny.cluster.another(Runnable::run);
            cluster.register(other.member());
            awaitCalls(other);
            for (int i = 0; i < 6; i++) {
                HttpResponse<String> response = chat("\"max_tokens\":1");
                assertEquals(200, response.statusCode(), response.body());
            }
            assertTrue(refusals.get() > 1, "no request was sent to the first group");
            cluster.close();
        }
        tiny.scheduler.behave(call -> call.fail(Status.UNAVAILABLE.withDescription("forming")));
        error(chat(""), 503, "not_ready");
    }

    @Test
    void aRequestToAStoppingSchedulerIsSentToAnother() throws Exception {
        try (var other = TestCoordinator.scheduler("other")) {
            other.behave(call -> other.die());
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("here"));
                        call.finishByLength(0);
                    });
            FixedCluster cluster = tiny.cluster.another(Runnable::run);
            cluster.register(other.member());
            Eventually.await(
                    "requests are sent to the stopping scheduler",
                    () -> {
                        HttpResponse<String> response = chat("");
                        assertEquals(200, response.statusCode(), response.body());
                        return other.hasCalls();
                    });
            cluster.close();
        }
    }

    @Test
    void ofTwoFullGroupsTheEarlierRetryIsReported() throws Exception {
        try (var other = TestCoordinator.scheduler("other")) {
            tiny.scheduler.behave(call -> call.fail(Status.RESOURCE_EXHAUSTED, retryAfter(9000)));
            other.behave(call -> call.fail(Status.RESOURCE_EXHAUSTED, retryAfter(4000)));
            FixedCluster cluster = tiny.cluster.another(Runnable::run);
            cluster.register(other.member());
            awaitCalls(other);
            HttpResponse<String> response = chat("");
            error(response, 429, "overloaded");
            assertEquals("4", response.headers().firstValue("retry-after").orElse(""));
            // A full group says more than an absent one.
            other.behave(call -> call.fail(Status.UNAVAILABLE));
            response = chat("");
            error(response, 429, "overloaded");
            assertEquals("9", response.headers().firstValue("retry-after").orElse(""));
            cluster.close();
        }
    }

    /// Sends requests until `scheduler` has received one.
    private static void awaitCalls(FakeScheduler scheduler) throws Exception {
        Eventually.await(
                "the other group gets requests",
                () -> {
                    chat("");
                    return scheduler.hasCalls();
                });
    }

    private static Metadata retryAfter(int millis) {
        var trailers = new Metadata();
        trailers.put(SchedulerCall.RETRY_AFTER_MS, Integer.toString(millis));
        return trailers;
    }

    @Test
    void withoutAReadyGroupProbesAndRequestsFailAndTheCoordinatorIsNotAnnouncedAsReady()
            throws Exception {
        tiny.scheduler.ready(false);
        tiny.awaitReady(false);
        for (String probe : new String[] {"/readyz", "/health"}) {
            HttpResponse<String> response = tiny.get(probe);
            assertEquals(
                    "no group is ready", error(response, 503, "not_ready").get("message").asText());
            assertTrue(response.headers().firstValue("retry-after").isPresent());
        }
        assertEquals(200, tiny.get("/livez").statusCode());
        HttpResponse<String> refused = chat("\"stream\":true");
        error(refused, 503, "not_ready");
        assertTrue(refused.headers().firstValue("retry-after").isPresent());
        Eventually.await("it is announced", () -> !announced().ready());
        tiny.scheduler.ready(true);
        tiny.awaitReady(true);
        Eventually.await("it is announced", () -> announced().ready());
    }

    private static Member announced() {
        return tiny.cluster.membership().snapshot().members(Member.Role.COORDINATOR).getFirst();
    }
}

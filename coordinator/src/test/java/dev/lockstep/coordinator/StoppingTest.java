// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.StopReason;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/// Tests of the start and the stop of a coordinator.
final class StoppingTest {
    private static final String CHAT = "/v1/chat/completions";

    @Test
    void aQuickStopEndsStreamsWithAnErrorWithinOneSecond() throws Exception {
        Fastest.assertWithin(Duration.ofSeconds(1), StoppingTest::stopDuringAStream);
    }

    /// Returns the time that the coordinator takes to stop.
    private static Duration stopDuringAStream() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var raw = new RawConnection(tiny.coordinator.port())) {
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        call.awaitCancelled();
                    });
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil("Hel");
            long before = System.nanoTime();
            tiny.coordinator.stop(StopReason.INTERRUPTED);
            Duration stopped = Duration.ofNanos(System.nanoTime() - before);
            List<JsonNode> events = TestCoordinator.events(raw.readChunkedBody());
            assertEquals("shutting_down", events.getLast().at("/error/code").asText());
            assertTrue(tiny.scheduler.nextCall().awaitCancelled());
            return stopped;
        }
    }

    @Test
    void aDrainingCoordinatorFinishesItsStreamsAndAdmitsNoRequests() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var raw = new RawConnection(tiny.coordinator.port())) {
            var resume = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        resume.await();
                        call.oneByOne(0, tiny.ids(" there"));
                        call.finishByLength(0);
                    });
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil("Hel");
            Thread stopping =
                    Thread.ofPlatform().start(() -> tiny.coordinator.stop(StopReason.TERMINATED));
            Eventually.await("nothing listens", () -> !listens(tiny.coordinator.port()));
            assertEquals(
                    List.of(),
                    tiny.cluster.membership().snapshot().members(Member.Role.COORDINATOR));
            resume.countDown();
            List<JsonNode> events = TestCoordinator.events(raw.readChunkedBody());
            assertEquals("length", events.getLast().at("/choices/0/finish_reason").asText());
            stopping.join();
        }
    }

    /// Of two streams the one that ends in time is complete; only the other one is cut.
    @Test
    void aStreamThatIsLongerThanTheDrainTimeOutIsEndedThen() throws Exception {
        Patience.growing(Duration.ofSeconds(2), StoppingTest::endsOneOfTwoStreams);
    }

    private static void endsOneOfTwoStreams(Duration limit) throws Exception {
        try (TestCoordinator tiny =
                        TestCoordinator.startWith("--drain-timeout=" + limit.toSeconds() + "s");
                var longer = new RawConnection(tiny.coordinator.port());
                var shorter = new RawConnection(tiny.coordinator.port())) {
            var resume = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        call.awaitCancelled();
                    });
            longer.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            longer.readUntil("Hel");
            FakeScheduler.Call cancelled = tiny.scheduler.nextCall();
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        resume.await();
                        call.finishByLength(0);
                    });
            shorter.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            shorter.readUntil("Hel");
            Thread stopping =
                    Thread.ofPlatform().start(() -> tiny.coordinator.stop(StopReason.TERMINATED));
            Eventually.await("nothing listens", () -> !listens(tiny.coordinator.port()));
            resume.countDown();
            List<JsonNode> cut = TestCoordinator.events(longer.readChunkedBody());
            JsonNode error = cut.getLast().path("error");
            assertEquals("draining", error.path("code").asText());
            assertEquals("server_error", error.path("type").asText());
            assertEquals(cancelled.request().getRequestId(), error.path("response_id").asText());
            List<JsonNode> complete = TestCoordinator.events(shorter.readChunkedBody());
            assertEquals("length", complete.getLast().at("/choices/0/finish_reason").asText());
            assertTrue(cancelled.awaitCancelled());
            stopping.join();
        }
    }

    @Test
    void inTheGraceRequestsAreServedAndClientsAreToldToLeave() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.startWith("--drain-grace=5m");
                var kept = new RawConnection(tiny.coordinator.port());
                var idle = new RawConnection(tiny.coordinator.port());
                var streaming = new RawConnection(tiny.coordinator.port())) {
            var resume = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        resume.await();
                        call.finishByLength(0);
                    });
            streaming.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            streaming.readUntil("Hel");
            idle.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
            idle.readUntil("ok\"}");
            var finished = new CompletableFuture<Boolean>();
            Thread stopping =
                    Thread.ofPlatform()
                            .start(
                                    () ->
                                            finished.complete(
                                                    tiny.coordinator.stop(StopReason.TERMINATED)));
            tiny.awaitReady(false);
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("there"));
                        call.finishByLength(0);
                    });
            kept.post(CHAT, TestCoordinator.chatBody(""));
            String served = kept.readAll();
            assertTrue(served.startsWith("HTTP/1.1 200"), served);
            assertTrue(served.contains("connection: close\r\n"), served);
            // As a SIGINT does; then the grace and the drain are over.
            stopping.interrupt();
            List<JsonNode> cut = TestCoordinator.events(streaming.readChunkedBody());
            assertEquals("draining", cut.getLast().at("/error/code").asText());
            assertFalse(finished.join());
            resume.countDown();
        }
    }

    /// After the grace nothing listens, and connections without a request are closed.
    @Test
    void afterTheGraceOnlyTheRunningStreamsGoOn() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.startWith("--drain-grace=10ms");
                var idle = new RawConnection(tiny.coordinator.port());
                var silent = new RawConnection(tiny.coordinator.port());
                var streaming = new RawConnection(tiny.coordinator.port())) {
            int port = tiny.coordinator.port();
            var resume = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        resume.await();
                        call.finishByLength(0);
                    });
            HttpRequest streamed = tiny.request(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            CompletableFuture<HttpResponse<String>> http2 =
                    tiny.client.sendAsync(streamed, HttpResponse.BodyHandlers.ofString());
            FakeScheduler.Call call = tiny.scheduler.nextCall();
            streaming.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            streaming.readUntil("Hel");
            idle.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
            idle.readUntil("ok\"}");
            var finished = new CompletableFuture<Boolean>();
            Thread.ofPlatform()
                    .start(() -> finished.complete(tiny.coordinator.stop(StopReason.TERMINATED)));
            assertTrue(idle.readAll().endsWith("ok\"}"));
            assertEquals("", silent.readAll());
            Eventually.await("nothing listens", () -> !listens(port));
            resume.countDown();
            String rest = streaming.readAll();
            assertTrue(rest.contains("[DONE]"), rest);
            assertEquals(HttpClient.Version.HTTP_2, http2.join().version());
            List<JsonNode> events = TestCoordinator.events(http2.join());
            assertEquals("length", events.getLast().at("/choices/0/finish_reason").asText());
            assertTrue(finished.join());
            assertTrue(call.request().getRequestId().length() > 0);
        }
    }

    private static boolean listens(int port) {
        try (var _ = new RawConnection(port)) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void aPortInUseIsReportedInOneLineWithAddressAndRemedy() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start()) {
            int port = tiny.coordinator.port();
            UncheckedIOException refused =
                    assertThrows(
                            UncheckedIOException.class,
                            () ->
                                    new Coordinator(
                                            TestCoordinator.config(Path.of("unused"), port),
                                            TestCoordinator.ACCESS,
                                            CompletableFuture.completedFuture(tiny.model),
                                            TestCoordinator.LONG_TIMEOUTS));
            String line = String.valueOf(refused.getMessage());
            assertTrue(line.startsWith("cannot listen on 127.0.0.1:" + port), line);
            assertTrue(line.endsWith("; choose another --port or --host"), line);
        }
    }

    @Test
    void whileTheTokenizerIsLoadedTheCoordinatorIsNotReady() throws Exception {
        CompletableFuture<ServedModel> loading = new CompletableFuture<>();
        var coordinator =
                new Coordinator(
                        TestCoordinator.config(Path.of("unused"), 0),
                        TestCoordinator.ACCESS,
                        loading,
                        TestCoordinator.LONG_TIMEOUTS);
        try (var raw = new RawConnection(coordinator.port())) {
            raw.post(CHAT, TestCoordinator.chatBody(""));
            String response = raw.readUntil("tokenizer is being loaded");
            assertTrue(response.startsWith("HTTP/1.1 503"), response);
        } finally {
            coordinator.stop(StopReason.FINISHED);
        }
    }
}
